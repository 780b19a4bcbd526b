import type { Storage, WakeUp } from '@jobistemer/core/storage'
import type { DeclaredCapabilities, StorageWorld } from '../../src/index.ts'
import { Ledger, ledgerStorage, letOthersGo, type Mutant, mutants } from './mutant.ts'

type Kind = WakeUp['kind']
type Listener = (wakeUp: WakeUp) => void

/** A fault in the wake-ups between connections. */
interface WakeUpFault {
  /** A connection also receives the wake-ups of its own writes. */
  readonly tellsItself?: boolean
  /** Closing a connection removes the listeners of all connections. */
  readonly closesAll?: boolean
  /** No connection receives wake-ups of this kind. */
  readonly silent?: Kind
  /** Not a fault: every call sends wake-ups of all these kinds, in this order. */
  readonly coarse?: readonly Kind[]
  /** Not a fault: a new subscription receives a wake-up of the kind `due`. */
  readonly tellsAtFirst?: boolean
}

const kindsOf: Partial<Readonly<Record<keyof Storage, Kind>>> = {
  saveJobs: 'jobs',
  createOccurrences: 'due',
  cancel: 'cancel',
  heartbeat: 'nodes',
}

/** Returns a test database whose connections send wake-ups to each other. With `fault`, the wake-ups have this fault. */
export function wakingWorld(fault: WakeUpFault = {}): StorageWorld {
  const ledger = new Ledger()
  const listeners = new Map<Listener, object>()
  let told = Promise.resolve()

  /** Sends wake-ups in their order, each in a later turn of the event loop, so that other calls run between two wake-ups. */
  function tellLater(listener: Listener, kind: Kind): void {
    told = told.then(async () => {
      await letOthersGo()
      if (listeners.has(listener)) listener({ kind })
    })
  }

  function connect(): Storage {
    const own = {}
    const storage = ledgerStorage(ledger)
    const telling = Object.entries(kindsOf).map(([name, kind]) => {
      const method = name as 'createOccurrences'
      const call: Storage['createOccurrences'] = async (request) => {
        const answer = await storage[method](request)
        for (const [listener, connection] of listeners) {
          if (kind === fault.silent || (connection === own && fault.tellsItself !== true)) continue
          if (fault.coarse === undefined) listener({ kind })
          else for (const each of fault.coarse) tellLater(listener, each)
        }
        return answer
      }
      return [method, call]
    })
    return {
      ...storage,
      ...Object.fromEntries(telling),
      subscribe(listener) {
        const subscription: Listener = (wakeUp) => listener(wakeUp)
        listeners.set(subscription, own)
        if (fault.tellsAtFirst === true) subscription({ kind: 'due' })
        return () => listeners.delete(subscription)
      },
      async close() {
        for (const [listener, connection] of listeners) {
          if (connection === own || fault.closesAll === true) listeners.delete(listener)
        }
        await storage.close()
      },
    }
  }
  return { connect: async () => connect(), dispose: async () => {} }
}

/**
 * Returns a test database with a fault. After a connection was closed, connections that are opened later use a copy of the
 * data. These connections and the older ones do not see each other's later writes.
 */
function partedByCloses(): StorageWorld {
  let ledger = new Ledger()
  return {
    async connect() {
      const own = ledger
      const storage = ledgerStorage(own)
      return {
        ...storage,
        async close() {
          ledger = Object.assign(new Ledger(), structuredClone({ ...own }))
          await storage.close()
        },
      }
    },
    dispose: async () => {},
  }
}

const wakes: DeclaredCapabilities = { takesNext: true, subscribe: true }
const somethingToDo = 'subscribe: wakes another connection when there is something to do, and not after it was ended'

/** Mutants with faults in the sharing of data between connections, and in their wake-ups. */
export const connectionMutants: readonly Mutant[] = mutants({
  'forgets with a close that others have the data open': {
    rejectedBy: ['connections: closing one connection leaves the other connections open'],
    open: partedByCloses,
  },
  'ends the subscriptions of all with one connection': {
    rejectedBy: ['subscribe: goes on waking when one of the other connections is closed'],
    waits: true,
    capabilities: wakes,
    open: () => wakingWorld({ closesAll: true }),
  },
  'wakes who has written': {
    rejectedBy: ['subscribe: wakes no connection for what it has written itself'],
    capabilities: wakes,
    open: () => wakingWorld({ tellsItself: true }),
  },
  'wakes who has written, and says at first that something may be due': {
    rejectedBy: ['subscribe: wakes no connection for what it has written itself'],
    capabilities: wakes,
    open: () => wakingWorld({ tellsItself: true, tellsAtFirst: true }),
  },
  'sends no wake-up when an occurrence is due': {
    rejectedBy: [somethingToDo],
    waits: true,
    capabilities: wakes,
    open: () => wakingWorld({ silent: 'due' }),
  },
  'sends no wake-up when a node starts or leaves': {
    rejectedBy: ['subscribe: wakes another connection when a node comes and when it is leaving'],
    waits: true,
    capabilities: wakes,
    open: () => wakingWorld({ silent: 'nodes' }),
  },
  'loses the wake-ups of cancellations': {
    rejectedBy: ['subscribe: wakes another connection when the cancellation of a running occurrence is requested'],
    waits: true,
    capabilities: wakes,
    open: () => wakingWorld({ silent: 'cancel' }),
  },
  'loses the wake-ups of jobs': {
    rejectedBy: ['subscribe: wakes another connection when a job is created, replaced, paused, resumed and deleted'],
    waits: true,
    capabilities: wakes,
    open: () => wakingWorld({ silent: 'jobs' }),
  },
})
