import type { ClientOptions, SchedulerOptions } from '@jobistemer/core'
import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency, Type } from '@nestjs/common'

/**
 * The options of {@link JobistemerModule}: the options of a scheduler, and options for its lifecycle in the
 * application.
 */
export interface JobistemerModuleOptions extends SchedulerOptions {
  /** `true`: jobs run in this process. `false`: the module does not start the scheduler, for example in tests. Default true. */
  readonly start?: boolean
  /** `true`: the module closes the storage after the application has shut down. Default true. */
  readonly closeStorage?: boolean
}

/** The options of `JobistemerModule.forClient`: the options of a client, and `closeStorage`. */
export interface JobistemerClientOptions extends ClientOptions {
  /** `true`: the module closes the storage after the application has shut down. Default true. */
  readonly closeStorage?: boolean
}

/** An injectable class that creates the module's options, for `useClass` and `useExisting`. */
export interface JobistemerOptionsFactory<Options = JobistemerModuleOptions> {
  /** Creates the module's options. Called once, before the module searches for jobs. */
  createJobistemerOptions(): Options | Promise<Options>
}

/** Creates options that depend on injected providers, by exactly one of `useFactory`, `useClass` and `useExisting`. */
export interface JobistemerModuleAsyncOptions<Options = JobistemerModuleOptions>
  extends Pick<ModuleMetadata, 'imports'> {
  /** Creates the options. Its parameters are the providers of `inject`. */
  readonly useFactory?: (...injected: never[]) => Options | Promise<Options>
  /** The injection tokens of the parameters of `useFactory`. */
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[]
  /** A class that Nest instantiates only to create the options. */
  readonly useClass?: Type<JobistemerOptionsFactory<Options>>
  /** The token of an existing provider that creates the options. */
  readonly useExisting?: InjectionToken
}
