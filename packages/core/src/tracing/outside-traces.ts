import type { Clock } from '../clock.ts'
import type { Tracing } from './tracing.ts'

/**
 * The same object, whose methods begin outside of any trace: what a caller has active when it starts a scheduler, or asks
 * it for something, would otherwise hold all that the engine does ever after, since timers and promises inherit it.
 */
export function methodsOutside<T extends object>(target: T, tracing: Pick<Tracing, 'outside'>): T {
  const methods = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      let method = methods.get(name)
      if (method === undefined) {
        method = (...given: unknown[]) => tracing.outside(() => member.apply(target, given))
        methods.set(name, method)
      }
      return method
    },
  })
}

/** The same clock, whose timers ring outside of any trace: a handler may have been the reason to set one. */
export function timersOutside(clock: Clock, tracing: Pick<Tracing, 'outside'>): Clock {
  return {
    ...(clock.isAuthoritative !== undefined && { isAuthoritative: clock.isAuthoritative }),
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimer: (delayMs, callback, options) => clock.setTimer(delayMs, () => tracing.outside(callback), options),
    ...(clock.track !== undefined && { track: (promise) => clock.track?.(promise) }),
    ...(clock.perform !== undefined && { perform: <T>(call: () => T) => (clock.perform as PerformOf)(call) }),
    ...(clock.passUntil !== undefined && { passUntil: (promise) => clock.passUntil?.(promise) }),
    ...(clock.wait !== undefined && { wait: (delayMs, signal) => (clock.wait as WaitOf)(delayMs, signal) }),
    ...(clock.random !== undefined && { random: () => (clock.random as RandomOf)() }),
  }
}

type PerformOf = NonNullable<Clock['perform']>
type WaitOf = NonNullable<Clock['wait']>
type RandomOf = NonNullable<Clock['random']>
