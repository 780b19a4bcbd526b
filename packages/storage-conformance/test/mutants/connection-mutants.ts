import type { Storage, WakeUp } from '@jobistemer/core/storage'
import type { DeclaredCapabilities, StorageWorld } from '../../src/index.ts'
import { Ledger, ledgerStorage, letOthersGo, type Mutant, mutants } from './mutant.ts'

type Kind = WakeUp['kind']
type Listener = (wakeUp: WakeUp) => void

/** What is wrong with how connections tell one another what they do. */
interface WakeUpFault {
  /** The connection that writes hears of it too. */
  readonly tellsItself?: boolean
  /** A connection that is closed takes the listeners of all with it. */
  readonly closesAll?: boolean
  /** No connection receives wake-ups of this kind. */
  readonly silent?: Kind
  /** No fault: every call sends wake-ups of all these kinds, in this order. */
  readonly coarse?: readonly Kind[]
  /** No fault: a new subscription receives a wake-up of the kind `due`. */
  readonly tellsAtFirst?: boolean
}

const kindsOf: Partial<Readonly<Record<keyof Storage, Kind>>> = {
  saveJobs: 'jobs',
  createOccurrences: 'due',
  cancel: 'cancel',
  heartbeat: 'nodes',
}

/** Connections that tell one another what they do. */
export function wakingWorld(fault: WakeUpFault = {}): StorageWorld {
  const ledger = new Ledger()
  const listeners = new Map<Listener, object>()
  let told = Promise.resolve()

  /** In order, and others go on between one kind and the next. */
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

/** A connection that opens after another one has closed gets a copy of the data, and shares no later writes. */
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

/** Faults in what connections share, and in what they tell one another. */
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
