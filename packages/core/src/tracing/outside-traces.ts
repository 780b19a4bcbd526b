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
