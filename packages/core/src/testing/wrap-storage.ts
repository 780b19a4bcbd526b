import { type ReadingMethod, readingMethods, type Storage, type StorageCapabilities } from '../storage/storage.ts'

const writing = ['saveJobs', 'createOccurrences', 'claim', 'settle', 'cancel', 'reap', 'prune', 'heartbeat'] as const

/** The name of a storage method that reads or writes records. */
export type StorageMethod = (typeof writing)[number] | ReadingMethod

/** The names of the storage methods that read and write records. The writing methods come first. */
export const storageMethods: readonly StorageMethod[] = [...writing, ...readingMethods]

/** A call to a storage. `method` determines the types of `request` and of the answer. */
export type StorageCall =
  | {
      readonly [Method in StorageMethod]: {
        readonly method: Method
        readonly request: Parameters<Storage[Method]>[0]
        /** Makes the call to the storage. A wrapper may call `proceed` several times, or not at all. */
        proceed(): ReturnType<Storage[Method]>
      }
    }[StorageMethod]
  | { readonly method: 'serverTime'; readonly request: undefined; proceed(): Promise<number> }

/**
 * Hooks of {@link wrapStorage}. `around` wraps calls. Every other member replaces the member of the storage that has the same
 * name. The value `undefined` removes `serverTime`, `subscribe` or `within`.
 */
export interface StorageHooks extends Partial<Pick<Storage, StorageMethod | 'close'>> {
  /** Replaces the `capabilities` of the storage. */
  readonly capabilities?: StorageCapabilities
  /** Replaces `serverTime` of the storage; `undefined` removes this method. */
  readonly serverTime?: Storage['serverTime'] | undefined
  /** Replaces `subscribe` of the storage; `undefined` removes this method. */
  readonly subscribe?: Storage['subscribe'] | undefined
  /**
   * Wraps every call of every method and of `serverTime`, including replaced methods, but not of `close`, `subscribe` and
   * `within`. The hook returns the answer of `call.proceed()`, or any other answer.
   */
  readonly around?: (call: StorageCall) => Promise<unknown>
  /** Replaces `within` of the storage; `undefined` removes this method. */
  readonly within?: Storage['within'] | undefined
}

/**
 * Wraps a storage, for tests that record calls, lose answers or break rules of the storage. `hooks` can replace or wrap
 * methods. The wrapper forwards all other calls to the storage unchanged.
 *
 * @example
 * const deaf = wrapStorage(memoryStorage(), {
 *   around: async (call) => {
 *     if (call.method === 'settle') throw new Error('no listener')
 *     return await call.proceed()
 *   },
 * })
 */
export function wrapStorage(storage: Storage, hooks: StorageHooks): Storage {
  const { around } = hooks

  function methodOf(method: StorageMethod | 'serverTime'): UntypedMethod {
    const owner = hooks[method] === undefined ? storage : hooks
    const call: UntypedMethod = (request) => (owner[method] as UntypedMethod).call(owner, request)
    if (around === undefined) return call
    return (request) => around({ method, request, proceed: () => call(request) } as unknown as StorageCall)
  }

  const methods = Object.fromEntries(storageMethods.map((method) => [method, methodOf(method)]))
  const serverTime = 'serverTime' in hooks ? hooks.serverTime : storage.serverTime
  const subscribe = 'subscribe' in hooks ? hooks.subscribe : storage.subscribe?.bind(storage)
  const within = 'within' in hooks ? hooks.within : storage.within?.bind(storage)
  return {
    ...(within === undefined ? {} : { within }),
    ...(methods as unknown as Pick<Storage, StorageMethod>),
    specVersion: storage.specVersion,
    capabilities: hooks.capabilities ?? storage.capabilities,
    ...(serverTime === undefined ? {} : { serverTime: methodOf('serverTime') as unknown as () => Promise<number> }),
    ...(subscribe === undefined ? {} : { subscribe }),
    close: () => (hooks.close === undefined ? storage.close() : hooks.close()),
  }
}

type UntypedMethod = (request: never) => Promise<unknown>
