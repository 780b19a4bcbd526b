import type { ClientOptions, SchedulerOptions } from '@jobistemer/core'
import type { InjectionToken, ModuleMetadata, OptionalFactoryDependency, Type } from '@nestjs/common'

/** What {@link JobistemerModule} takes: the options of a scheduler, and how it lives with the application. */
export interface JobistemerModuleOptions extends SchedulerOptions {
  /**
   * Whether jobs run in this process. `false`: the scheduler is not started, as for tests that want no jobs. Default true.
   */
  readonly start?: boolean
  /** Whether the storage is closed when the application has shut down. Default true. */
  readonly closeStorage?: boolean
}

/** What {@link JobistemerModule} takes where it makes a client: the options of that. */
export interface JobistemerClientOptions extends ClientOptions {
  /** Whether the storage is closed when the application has shut down. Default true. */
  readonly closeStorage?: boolean
}

/** A class that makes the options: for `useClass` and `useExisting`. */
export interface JobistemerOptionsFactory<Options = JobistemerModuleOptions> {
  /** Called once, before any job is looked for. */
  createJobistemerOptions(): Options | Promise<Options>
}

/** How options are made that need something injected: one of `useFactory`, `useClass` and `useExisting`. */
export interface JobistemerModuleAsyncOptions<Options = JobistemerModuleOptions>
  extends Pick<ModuleMetadata, 'imports'> {
  /** Makes the options from what `inject` names. */
  readonly useFactory?: (...injected: never[]) => Options | Promise<Options>
  /** What `useFactory` is called with. */
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[]
  /** A class of which one instance is made for it. */
  readonly useClass?: Type<JobistemerOptionsFactory<Options>>
  /** A provider that is there already. */
  readonly useExisting?: InjectionToken
}
