import {
  type Client,
  createClient,
  createScheduler,
  JobistemerError,
  type JobOperations,
  type Scheduler,
} from '@jobistemer/core'
import { type DynamicModule, Global, type InjectionToken, Module, type Provider } from '@nestjs/common'
import { DiscoveryModule, DiscoveryService, ModulesContainer } from '@nestjs/core'
import { checkAsyncOptions, checkFactory, checkOptions } from './check-options.ts'
import { JobistemerHealth } from './jobistemer-health.ts'
import { JobsUntilTheEnd } from './jobs-until-the-end.ts'
import { ClientLifecycle, Lifecycle } from './lifecycle.ts'
import { joinedHandlers, markedProviders } from './marked-providers.ts'
import type {
  JobistemerClientOptions,
  JobistemerModuleAsyncOptions,
  JobistemerModuleOptions,
  JobistemerOptionsFactory,
} from './module-options.ts'
import { nestLogger } from './nest-logger.ts'
import { jobsToken, optionsToken, schedulerToken } from './tokens.ts'

/**
 * The internal Nest module with the scheduler or the client. This module is global, so every module can inject the providers
 * that it exports.
 */
class JobistemerProviders {}
Module({})(JobistemerProviders)
Global()(JobistemerProviders)

const scheduler: Provider = {
  provide: schedulerToken,
  inject: [optionsToken, DiscoveryService],
  useFactory: (options: JobistemerModuleOptions, discovery: DiscoveryService): Scheduler => {
    const { start: _start, closeStorage: _closeStorage, ...given } = options
    const marked = markedProviders(discovery)
    return createScheduler({
      logger: nestLogger(),
      ...given,
      jobs: [...(given.jobs ?? []), ...marked.jobs],
      handlers: joinedHandlers(marked.handlers, given.handlers),
    })
  },
}

const jobsUntilTheEnd: Provider = {
  provide: JobsUntilTheEnd,
  inject: [schedulerToken, optionsToken],
  useFactory: (of: Scheduler, options: JobistemerModuleOptions) => new JobsUntilTheEnd(of, options),
}

const jobsOfScheduler: Provider = {
  provide: jobsToken,
  inject: [JobsUntilTheEnd],
  useFactory: ({ jobs }: JobsUntilTheEnd): JobOperations => jobs,
}

const healthOfScheduler: Provider = {
  provide: JobistemerHealth,
  inject: [schedulerToken],
  useFactory: (of: Scheduler) => new JobistemerHealth(of, of),
}

const client: Provider = {
  provide: jobsToken,
  inject: [optionsToken],
  useFactory: ({ closeStorage: _closeStorage, ...given }: JobistemerClientOptions): Client =>
    createClient({ logger: nestLogger(), ...given }),
}

const healthOfClient: Provider = {
  provide: JobistemerHealth,
  inject: [jobsToken],
  useFactory: (of: Client) => new JobistemerHealth(of, null),
}

const clientLifecycle: Provider = {
  provide: ClientLifecycle,
  inject: [jobsToken, optionsToken, ModulesContainer],
  useFactory: (of: Client, options: JobistemerClientOptions, modules: ModulesContainer) => {
    refuseSecond(modules)
    return new ClientLifecycle(of, options)
  },
}

const lifecycle: Provider = {
  provide: Lifecycle,
  inject: [schedulerToken, JobsUntilTheEnd, optionsToken, ModulesContainer],
  useFactory: (of: Scheduler, jobs: JobsUntilTheEnd, options: JobistemerModuleOptions, modules: ModulesContainer) => {
    refuseSecond(modules)
    endFirst(modules)
    return new Lifecycle(of, jobs, options)
  },
}

/**
 * Rejects a second `JobistemerModule`, which would run all jobs of the application a second time.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
function refuseSecond(modules: ModulesContainer): void {
  const made = [...modules.values()].filter(
    ({ providers }) => providers.has(Lifecycle) || providers.has(ClientLifecycle),
  )
  if (made.length < 2) return
  const importing = [...modules.values()].filter(({ imports }) => made.some((one) => imports.has(one)))
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `JobistemerModule is there ${made.length} times, imported by ${importing.map(({ name }) => name).join(' and by ')}.`,
    field: 'imports',
    value: made.length,
    remedy:
      'Import forRoot or forClient once, in the first module: all modules can inject what it makes. ' +
      'For another storage provide a client of your own, made by createClient.',
  })
}

/**
 * Makes Nest close this module first, because running tasks need resources of other modules. Nest closes modules in ascending
 * order of their `distance`.
 */
function endFirst(modules: ModulesContainer): void {
  for (const module of modules.values()) if (module.metatype === JobistemerModule) module.distance = -1
}

/**
 * The Nest module of Jobistemer. Import it once, in the root module; a second import throws `INVALID_ARGUMENT`. With {@link
 * forRoot} or {@link forRootAsync}, jobs run in this process. With {@link forClient} or {@link forClientAsync}, the process
 * only requests runs.
 */
// biome-ignore lint/complexity/noStaticOnlyClass: Nest knows modules by their classes
export class JobistemerModule {
  /**
   * Creates the scheduler with the given options.
   *
   * @example
   * \@Module({ imports: [JobistemerModule.forRoot({ storage: sqliteStorage({ file: 'jobs.db' }) })], providers: [NightlyReport] })
   * class AppModule {}
   */
  static forRoot(options: JobistemerModuleOptions): DynamicModule {
    return moduleWithScheduler([{ provide: optionsToken, useValue: checkOptions(options, 'forRoot') }])
  }

  /**
   * Creates the scheduler with options that depend on injected providers.
   *
   * @example
   * JobistemerModule.forRootAsync({
   *   imports: [ConfigModule],
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => ({ storage: redisStorage({ url: config.get('REDIS_URL') }) }),
   * })
   */
  static forRootAsync(options: JobistemerModuleAsyncOptions): DynamicModule {
    return moduleWithScheduler(asyncOptions(options, 'forRootAsync'), options.imports)
  }

  /**
   * Creates only a client: no scheduler, no node, and no jobs, even if providers are job classes. Inject it with `InjectJobs`.
   *
   * @example
   * \@Module({ imports: [JobistemerModule.forClient({ storage: redisStorage({ url }) })], controllers: [Reports] })
   * class WebModule {}
   */
  static forClient(options: JobistemerClientOptions): DynamicModule {
    return moduleWithClient([{ provide: optionsToken, useValue: checkOptions(options, 'forClient') }])
  }

  /** Creates only a client, as {@link forClient} does, with options that depend on injected providers. */
  static forClientAsync(options: JobistemerModuleAsyncOptions<JobistemerClientOptions>): DynamicModule {
    return moduleWithClient(asyncOptions(options, 'forClientAsync'), options.imports)
  }
}
Module({})(JobistemerModule)

function asyncOptions<Options extends object>(
  options: JobistemerModuleAsyncOptions<Options>,
  from: string,
): Provider[] {
  const { useFactory, inject = [], useClass, useExisting } = checkAsyncOptions(options, from)
  if (useFactory !== undefined) {
    const make = async (...injected: never[]) => checkOptions(await useFactory(...injected), from)
    return [{ provide: optionsToken, useFactory: make, inject } as Provider]
  }
  const make: Provider = {
    provide: optionsToken,
    inject: [(useExisting ?? useClass) as InjectionToken],
    useFactory: async (factory: JobistemerOptionsFactory<Options>) =>
      checkOptions(await checkFactory(factory).createJobistemerOptions(), from),
  }
  return useExisting === undefined && useClass !== undefined ? [useClass, make] : [make]
}

function moduleWithScheduler(options: Provider[], imports?: DynamicModule['imports']): DynamicModule {
  const providers = [...options, scheduler, jobsUntilTheEnd, jobsOfScheduler, healthOfScheduler]
  const shared = [optionsToken, schedulerToken, JobsUntilTheEnd, jobsToken, JobistemerHealth]
  return moduleWith({ providers, exports: shared, imports: [DiscoveryModule, ...(imports ?? [])] }, lifecycle)
}

function moduleWithClient(options: Provider[], imports: DynamicModule['imports'] = []): DynamicModule {
  const providers = [...options, client, healthOfClient]
  return moduleWith({ providers, exports: [optionsToken, jobsToken, JobistemerHealth], imports }, clientLifecycle)
}

function moduleWith(made: Omit<DynamicModule, 'module'>, life: Provider): DynamicModule {
  return { module: JobistemerModule, imports: [{ module: JobistemerProviders, ...made }], providers: [life] }
}
