import type { Storage } from '@jobistemer/core/storage'
import { type StorageMethod, storageMethods } from '@jobistemer/core/testing'
import { JobistemerError } from '@jobistemer/core'
import { Ledger } from './ledger/ledger.ts'
import type { DeclaredCapabilities, StorageWorld } from '../../src/index.ts'

export { Ledger }

/** A storage with a fault, and the cases of the kit that must detect it. */
export interface Mutant {
  /** The name of the fault. */
  readonly name: string
  /** The full names of the cases that must fail on this storage. */
  readonly rejectedBy: readonly string[]
  /** `true`: without the cases of `rejectedBy`, the kit would miss the fault. */
  readonly alone?: boolean | undefined
  readonly capabilities: DeclaredCapabilities
  /** `true`: the fault throws an error, so that no assertion of the kit fails. */
  readonly throws?: boolean | undefined
  /** `true`: the case waits until its timeout for an event that never comes. Tests advance virtual time for this case. */
  readonly waits?: boolean | undefined
  readonly open: () => StorageWorld | Promise<StorageWorld>
}

/** Returns a connection to the ledger. The methods in `broken` replace the connection's methods. */
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

/** Returns a test database whose connections share one ledger. */
export function ledgerWorld<L extends Ledger>(
  ledger: L,
  connect: (ledger: L) => Storage = ledgerStorage,
): StorageWorld {
  return { connect: async () => connect(ledger), dispose: async () => {} }
}

type StepName<L> = { [Name in keyof L]: L[Name] extends (...request: never[]) => unknown ? Name : never }[keyof L]

/**
 * Replacements for steps of a ledger. Each replacement receives the ledger with the intact steps as its first argument. If an
 * intact step calls a step that has a replacement, the replacement runs.
 */
export type BrokenSteps<L extends Ledger> = {
  readonly [Name in StepName<L>]?: L[Name] extends (...request: infer Request) => infer Answer
    ? (intact: L, ...request: Request) => Answer
    : never
}

/** Creates a ledger with some replaced steps. */
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

/**
 * A row in a table of mutants: the members of {@link Mutant}, and the replaced steps. The key of the row is the name of
 * the fault.
 */
export type MutantRow<L extends Ledger = Ledger> = Partial<Omit<Mutant, 'name'>> &
  Pick<Mutant, 'rejectedBy'> &
  BrokenSteps<L> & {
    /**
     * Returns further replacements of steps. Each ledger calls this function once, so the returned replacements can share
     * variables of this ledger. Replacements in the row itself cannot. Default: no further replacements.
     */
    readonly steps?: () => BrokenSteps<L>
    /** Methods that replace those of each opened storage, for a deliberate fault in which a call is not atomic. */
    readonly calls?: (ledger: L) => Partial<Storage>
  }

/** Options that apply to all rows of a table of mutants. */
interface TableOptions<L extends Ledger> {
  readonly capabilities?: DeclaredCapabilities
  /**
   * The group of the cases in `rejectedBy`. If a name in `rejectedBy` contains no group, `mutantsOf` puts this group before the
   * name. Default: none.
   */
  readonly subject?: string
  readonly world?: (ledger: L) => StorageWorld
}

/** Returns the mutants of a table. */
export function mutants(rows: Readonly<Record<string, MutantRow>>): readonly Mutant[] {
  return mutantsOf(Ledger, rows)
}

/** Returns the mutants of a table. `Machine`: the class of the ledger whose steps the rows replace. */
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

/**
 * Waits for one turn of the event loop, in which other pending calls continue. Simulates a storage that is not atomic.
 */
export async function letOthersGo(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
