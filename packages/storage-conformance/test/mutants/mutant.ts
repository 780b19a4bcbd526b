import type { Storage } from '@jobistemer/core/storage'
import { type StorageMethod, storageMethods } from '@jobistemer/core/testing'
import { JobistemerError } from '@jobistemer/core'
import { Ledger } from './ledger/ledger.ts'
import type { DeclaredCapabilities, StorageWorld } from '../../src/index.ts'

export { Ledger }

/** A broken storage, and the cases that must notice. */
export interface Mutant {
  /** The fault. */
  readonly name: string
  /** The full names of cases of the kit, each of which must fail. */
  readonly rejectedBy: readonly string[]
  /** No other case and no other race notices: without those the fault would slip through. */
  readonly alone?: boolean
  readonly capabilities: DeclaredCapabilities
  /** The fault itself is that something throws, so that no assertion of the kit is what fails. */
  readonly throws?: boolean
  /** Something never comes, and the case waits for it until its limit is over. The tests let that time pass at once. */
  readonly waits?: boolean
  readonly open: () => StorageWorld | Promise<StorageWorld>
}

/** A connection to the state machine, which may have some methods of its own: what every mutant is a variant of. */
export function ledgerStorage(ledger: Ledger, broken: Partial<Storage> = {}): Storage {
  let closed = false
  const entries = storageMethods.map((method) => [
    method,
    async (request: never) => {
      if (closed) throw new JobistemerError('STORAGE_CLOSED', { message: 'The storage is closed.' })
      const call = broken[method] ?? ledger[method].bind(ledger)
      return structuredClone(await call(structuredClone(request)))
    },
  ])
  return {
    ...(Object.fromEntries(entries) as unknown as Pick<Storage, StorageMethod>),
    specVersion: 1,
    capabilities: {
      maxBatch: 500,
      multiProcess: false,
      durability: 'none',
      findsDueJobs: ledger.findsDueJobs,
      takesNext: ledger.takesNext,
    },
    async close() {
      closed = true
    },
  }
}

/** A world of connections to one ledger. */
export function ledgerWorld(ledger: Ledger, connect: (ledger: Ledger) => Storage = ledgerStorage): StorageWorld {
  return { connect: async () => connect(ledger), dispose: async () => {} }
}

/** A mutant whose state machine is a broken subclass. */
export function mutant(name: string, rejectedBy: readonly string[], Broken: new () => Ledger): Mutant {
  return { name, rejectedBy, capabilities: { takesNext: true }, open: () => ledgerWorld(new Broken()) }
}

/** A mutant that the named cases reject and no other. */
export function mutantFor(rejectedBy: readonly string[], name: string, Broken: new () => Ledger): Mutant {
  return { ...mutant(name, rejectedBy, Broken), alone: true }
}

/** A mutant whose calls are not atomic: they look, let others go, and then act on what they saw. */
export function racing(
  name: string,
  rejectedBy: readonly string[],
  methods: (ledger: Ledger) => Partial<Storage>,
): Mutant {
  return {
    name,
    rejectedBy,
    capabilities: { takesNext: true },
    open: () => ledgerWorld(new Ledger(), (ledger) => ledgerStorage(ledger, methods(ledger))),
  }
}

/** Lets every other call that is under way go on: where a storage that is not atomic gives others a chance. */
export async function letOthersGo(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
