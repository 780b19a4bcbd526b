import type { Storage } from '@jobistemer/core/storage'
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
  readonly capabilities: DeclaredCapabilities
  /** The fault itself is that something throws, so that no assertion of the kit is what fails. */
  readonly throws?: boolean
  readonly open: () => StorageWorld | Promise<StorageWorld>
}

type Method = 'saveJobs' | 'createOccurrences' | 'claim' | 'settle' | 'cancel' | 'reap' | 'prune' | Read
type Read = 'get' | 'listJobs' | 'listOccurrences'

const methods: readonly Method[] = [
  'saveJobs',
  'createOccurrences',
  'claim',
  'settle',
  'cancel',
  'reap',
  'prune',
  'get',
  'listJobs',
  'listOccurrences',
]

/** A connection to the intact state machine: what every mutant is a variant of. */
export function ledgerStorage(ledger: Ledger): Storage {
  let closed = false
  const entries = methods.map((method) => [
    method,
    async (request: never) => {
      if (closed) throw new JobistemerError('STORAGE_CLOSED', { message: 'The storage is closed.' })
      return structuredClone(await ledger[method](structuredClone(request)))
    },
  ])
  return {
    ...(Object.fromEntries(entries) as unknown as Pick<Storage, Method>),
    specVersion: 1,
    capabilities: { maxBatch: 500, multiProcess: false, durability: 'none' },
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
  return { name, rejectedBy, capabilities: {}, open: () => ledgerWorld(new Broken()) }
}

/** Lets every other call that is under way go on: where a storage that is not atomic gives others a chance. */
export async function letOthersGo(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
