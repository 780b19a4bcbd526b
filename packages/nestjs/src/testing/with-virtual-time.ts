import type { InstantInput, SchedulerOptions } from '@jobistemer/core'
import { type VirtualClock, virtualClock } from '@jobistemer/core/testing'
import type { JobistemerModuleOptions } from '../module-options.ts'
import { optionsToken } from '../tokens.ts'

/** The members of `TestingModuleBuilder` of `@nestjs/testing` that this package uses. */
export interface OverridableBuilder<Builder> {
  /** Selects, by its token, the Nest provider to replace. */
  overrideProvider(token: unknown): { useValue(value: unknown): Builder }
}

/** A testing module with virtual time, and its clock. */
export interface VirtualTime<Builder> {
  /** The builder of the testing module. Call its `compile()`. */
  readonly builder: Builder
  /** The virtual clock of the jobs. `await clock.advance({ days: 1 })` moves its time. */
  readonly clock: VirtualClock
}

/**
 * Replaces the options of the application's `JobistemerModule` with the given options and a virtual clock. Jobs and handlers of
 * decorated classes stay. Give again what the module's own options contain besides the storage, such as `jobs` or `defaults`.
 *
 * @example
 * const { builder, clock } = withVirtualTime(Test.createTestingModule({ imports: [AppModule] }), {
 *   storage: memoryStorage(),
 *   start: '2026-01-01T00:00:00Z',
 * })
 * const app = (await builder.compile()).createNestApplication()
 * await app.init()
 * await clock.advance({ days: 1 })
 *
 * @throws JobistemerError `INVALID_INSTANT`
 */
export function withVirtualTime<Builder extends OverridableBuilder<Builder>>(
  builder: Builder,
  options: Omit<SchedulerOptions, 'clock'> &
    Pick<JobistemerModuleOptions, 'closeStorage'> & { readonly start: InstantInput },
): VirtualTime<Builder> {
  const { start, ...given } = options
  const clock = virtualClock(start)
  return { builder: builder.overrideProvider(optionsToken).useValue({ ...given, clock }), clock }
}
