import type { Storage } from '@jobistemer/core/storage'

/** The storage with some methods replaced. */
export function overrideMethods(storage: Storage, methods: Partial<Storage>): Storage {
  return new Proxy(storage, {
    get(target, property) {
      const own: unknown = Reflect.get(methods, property)
      if (own !== undefined) return own
      const member: unknown = Reflect.get(target, property)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
