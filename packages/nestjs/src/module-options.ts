import type { ClientOptions, SchedulerOptions } from '@jobistemer/core'
import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency, Type } from '@nestjs/common'

/** The options of {@link JobistemerModule}: those of a scheduler, and its lifecycle in the application. */
export interface JobistemerModuleOptions extends SchedulerOptions {
  /**
   * Whether jobs run in this process. `false`: the module does not start the scheduler, for example in tests. Default true.
   */
  readonly start?: boolean
  /** Whether the module closes the storage after the application has shut down. Default true. */
  readonly closeStorage?: boolean
}

/** The options of `JobistemerModule.forClient`: those of a client. */
export interface JobistemerClientOptions extends ClientOptions {
  /** Whether the module closes the storage after the application has shut down. Default true. */
  readonly closeStorage?: boolean
}

/** A class that creates the options: for `useClass` and `useExisting`. */
export interface JobistemerOptionsFactory<Options = JobistemerModuleOptions> {
  /** Called once, before the module searches for jobs. */
  createJobistemerOptions(): Options | Promise<Options>
}

/** How to create options that depend on injected providers: one of `useFactory`, `useClass` and `useExisting`. */
export interface JobistemerModuleAsyncOptions<Options = JobistemerModuleOptions>
  extends Pick<ModuleMetadata, 'imports'> {
  /** Creates the options from the providers of `inject`. */
  readonly useFactory?: (...injected: never[]) => Options | Promise<Options>
  /** The tokens of the parameters of `useFactory`. */
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[]
  /** A class that Nest instantiates once for this. */
  readonly useClass?: Type<JobistemerOptionsFactory<Options>>
  /** An existing provider. */
  readonly useExisting?: InjectionToken
}
