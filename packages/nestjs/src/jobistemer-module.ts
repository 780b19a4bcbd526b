import { createScheduler, type Scheduler } from '@jobistemer/core'
import { type DynamicModule, Global, Module, type Provider } from '@nestjs/common'
import { DiscoveryModule, DiscoveryService, ModuleRef, ModulesContainer } from '@nestjs/core'
import { AttemptInstances } from './attempt-instances.ts'
import { JobistemerHealth } from './jobistemer-health.ts'
import { Lifecycle } from './lifecycle.ts'
import { markedProviders } from './marked-providers.ts'
import type {
  JobistemerModuleAsyncOptions,
  JobistemerModuleOptions,
  JobistemerOptionsFactory,
} from './module-options.ts'
import { nestLogger } from './nest-logger.ts'
import { optionsToken, schedulerToken } from './tokens.ts'

/** Makes the scheduler and what comes with it. All modules can inject them. */
class JobistemerProviders {}
Module({})(JobistemerProviders)
Global()(JobistemerProviders)

const scheduler: Provider = {
  provide: schedulerToken,
  inject: [optionsToken, DiscoveryService, ModuleRef],
  useFactory: (options: JobistemerModuleOptions, discovery: DiscoveryService, moduleRef: ModuleRef): Scheduler => {
    const { start: _start, closeStorage: _closeStorage, ...given } = options
    const marked = markedProviders(discovery, new AttemptInstances(moduleRef))
    return createScheduler({
      logger: nestLogger(),
      ...given,
      jobs: [...(given.jobs ?? []), ...marked.jobs],
      handlers: { ...marked.handlers, ...given.handlers },
    })
  },
}

const lifecycle: Provider = {
  provide: Lifecycle,
  inject: [schedulerToken, optionsToken, ModulesContainer],
  useFactory: (of: Scheduler, options: JobistemerModuleOptions, modules: ModulesContainer) => {
    endFirst(modules)
    return new Lifecycle(of, options)
  },
}

/**
 * Nest starts modules from the farthest to the nearest one and ends them the other way round. Tasks that run need what others
 * close when they end, such as a connection to a database: so this module is nearer than the nearest.
 */
function endFirst(modules: ModulesContainer): void {
  for (const module of modules.values()) if (module.metatype === JobistemerModule) module.distance = -1
}

/** Jobs in a Nest application: imported once, with {@link forRoot} or {@link forRootAsync}, by its first module. */
// biome-ignore lint/complexity/noStaticOnlyClass: Nest knows modules by their classes
export class JobistemerModule {
  /**
   * With options that are there already.
   *
   * @example
   * \@Module({ imports: [JobistemerModule.forRoot({ storage: sqliteStorage({ file: 'jobs.db' }) })], providers: [NightlyReport] })
   * class AppModule {}
   */
  static forRoot(options: JobistemerModuleOptions): DynamicModule {
    return moduleWith([{ provide: optionsToken, useValue: options }])
  }

  /**
   * With options that something injected has a part in.
   *
   * @example
   * JobistemerModule.forRootAsync({
   *   imports: [ConfigModule],
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => ({ storage: redisStorage({ url: config.get('REDIS_URL') }) }),
   * })
   */
  static forRootAsync(options: JobistemerModuleAsyncOptions): DynamicModule {
    return moduleWith(asyncOptions(options), options.imports)
  }
}
Module({})(JobistemerModule)

function asyncOptions(options: JobistemerModuleAsyncOptions): Provider[] {
  const { useFactory, inject = [], useClass, useExisting } = options
  if (useFactory !== undefined) return [{ provide: optionsToken, useFactory, inject } as Provider]
  const token = useExisting ?? useClass
  if (token === undefined) throw new TypeError('forRootAsync needs useFactory, useClass or useExisting.')
  const make: Provider = {
    provide: optionsToken,
    inject: [token],
    useFactory: (factory: JobistemerOptionsFactory) => factory.createJobistemerOptions(),
  }
  return useExisting === undefined && useClass !== undefined ? [useClass, make] : [make]
}

function moduleWith(options: Provider[], imports: DynamicModule['imports'] = []): DynamicModule {
  const providers: DynamicModule = {
    module: JobistemerProviders,
    imports: [DiscoveryModule, ...imports],
    providers: [...options, scheduler, JobistemerHealth],
    exports: [optionsToken, schedulerToken, JobistemerHealth],
  }
  return { module: JobistemerModule, imports: [providers], providers: [lifecycle] }
}
