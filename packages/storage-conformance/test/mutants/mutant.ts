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
  readonly alone?: boolean | undefined
  readonly capabilities: DeclaredCapabilities
  /** The fault itself is that something throws, so that no assertion of the kit is what fails. */
  readonly throws?: boolean | undefined
  /** Something never comes, and the case waits for it until its limit is over. The tests let that time pass at once. */
  readonly waits?: boolean | undefined
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
export function ledgerWorld<L extends Ledger>(
  ledger: L,
  connect: (ledger: L) => Storage = ledgerStorage,
): StorageWorld {
  return { connect: async () => connect(ledger), dispose: async () => {} }
}

type StepName<L> = { [Name in keyof L]: L[Name] extends (...request: never[]) => unknown ? Name : never }[keyof L]

/** Replaced steps of a ledger. Each gets the intact steps first: they work on the same data, and call replaced steps. */
export type BrokenSteps<L extends Ledger> = {
  readonly [Name in StepName<L>]?: L[Name] extends (...request: infer Request) => infer Answer
    ? (intact: L, ...request: Request) => Answer
    : never
}

/** A ledger, some steps of which are replaced. */
export function brokenLedger<L extends Ledger>(Machine: new () => L, steps: BrokenSteps<L>): L {
  const ledger = new Machine()
  const intact = new Proxy(ledger, {
    get(target, name) {
      const step = Reflect.get(Machine.prototype, name)
      return typeof step === 'function' ? step.bind(target) : Reflect.get(target, name)
    },
  })
  for (const [name, step] of Object.entries(steps)) {
    Reflect.set(ledger, name, (...request: unknown[]) => (step as (...all: unknown[]) => unknown)(intact, ...request))
  }
  return ledger
}

/** A row of a table of mutants, whose key is the name of the fault: what {@link Mutant} says, and what is broken. */
export type MutantRow<L extends Ledger = Ledger> = Partial<Omit<Mutant, 'name'>> &
  Pick<Mutant, 'rejectedBy'> &
  BrokenSteps<L> & {
    /** Replaced steps that share a state. */
    readonly steps?: () => BrokenSteps<L>
    /** Replaced methods of each connection: calls that are not atomic. */
    readonly calls?: (ledger: L) => Partial<Storage>
  }

/** What the rows of a table share. */
interface TableOptions<L extends Ledger> {
  readonly capabilities?: DeclaredCapabilities
  /** Goes before each name of a case that has no subject of its own. */
  readonly subject?: string
  readonly world?: (ledger: L) => StorageWorld
}

/** The mutants of a table. */
export function mutants(rows: Readonly<Record<string, MutantRow>>): readonly Mutant[] {
  return mutantsOf(Ledger, rows)
}

/** The mutants of a table whose rows break another ledger. */
export function mutantsOf<L extends Ledger>(
  Machine: new () => L,
  rows: Readonly<Record<string, MutantRow<NoInfer<L>>>>,
  { capabilities: shared = { takesNext: true }, subject, world = ledgerWorld }: TableOptions<NoInfer<L>> = {},
): readonly Mutant[] {
  return Object.entries(rows).map(([name, row]) => {
    const { rejectedBy, capabilities = shared, alone, throws, waits, open, steps, calls, ...broken } = row
    const ledger = () => brokenLedger<L>(Machine, { ...(broken as object), ...steps?.() })
    const named = rejectedBy.map((text) =>
      subject === undefined || text.includes(': ') ? text : `${subject}: ${text}`,
    )
    return {
      name,
      rejectedBy: named,
      capabilities,
      alone,
      throws,
      waits,
      open:
        open ??
        (() =>
          calls === undefined ? world(ledger()) : ledgerWorld(ledger(), (one) => ledgerStorage(one, calls(one)))),
    }
  })
}

/** Lets every other call that is under way go on: where a storage that is not atomic gives others a chance. */
export async function letOthersGo(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
