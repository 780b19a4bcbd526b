import type { Tracing } from './tracing.ts'

/**
 * The same object, with methods that begin outside of any trace. Otherwise timers and promises would inherit the active
 * trace of the caller, and all later work of the engine would belong to that trace.
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
