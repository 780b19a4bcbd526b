import type { Clock } from '@jobistemer/core'
import type { StorageCapabilities } from '@jobistemer/core/storage'
import type { CaseWorld } from './storage-world.ts'
import { withinLimit } from './time-limit.ts'

/** The depth of a case. Each depth takes longer than the one before, and finds faults that the one before cannot find. */
export type CaseDepth =
  /** One behaviour of one method, on one or two connections. */
  | 'cases'
  /** Many connections, then many processes, on the same ids at once. */
  | 'races'
  /** Connections that break before and after each message of a call; needs `server`. */
  | 'disconnects'
  /** Random calls, compared with the memory storage answer by answer. */
  | 'model'
  /** Simulated nodes with lost and doubled answers; the history and the ledger are checked afterwards. */
  | 'soak'

export const caseDepths: readonly CaseDepth[] = ['cases', 'races', 'disconnects', 'model', 'soak']

/**
 * Capabilities that a storage declares beyond the rules for every storage. Declared before any storage is open, because test
 * runners need the list of tests first. A case checks that the storage declares the same.
 */
export interface DeclaredCapabilities {
  /** As in {@link StorageCapabilities}. Default `false`. */
  readonly multiProcess?: boolean
  /** As in {@link StorageCapabilities}. Default `'none'`. */
  readonly durability?: StorageCapabilities['durability']
  /** As in {@link StorageCapabilities}. Default `false`. */
  readonly findsDueJobs?: boolean
  /** As in {@link StorageCapabilities}. Default `false`. */
  readonly takesNext?: boolean
  /** The storage has `serverTime`. Default `false`. */
  readonly serverTime?: boolean
  /** The storage has `subscribe`. Default `false`. */
  readonly subscribe?: boolean
  /** The storage has `within`. Default `false`. */
  readonly within?: boolean
  /** The storage talks to a server over TCP, and the worlds of the test file have `server`. Default `false`. */
  readonly server?: boolean
  /** The storage keeps rows as text, and its worlds can overwrite one with `damage`. Default `false`. */
  readonly damage?: boolean
}

/** Capabilities that a case needs beyond the common rules. */
export type CaseNeed =
  | 'multiProcess'
  /** Data outlives the last connection. */
  | 'durability'
  | 'findsDueJobs'
  | 'takesNext'
  | 'serverTime'
  | 'subscribe'
  | 'within'
  | 'server'
  | 'damage'

/** One test as data. The binding for a test runner decides how to run it. */
export interface StorageCase {
  /** Unique: `group: sentence`. */
  readonly name: string
  /** The depth at which it runs. */
  readonly depth: CaseDepth
  /** The case is left out for a storage that does not have all of these. */
  readonly needs: readonly CaseNeed[]
  /** How long it may take on a slow storage, in milliseconds. `run` enforces it. */
  readonly timeoutMs: number
  /**
   * Rejects with an `AssertionError` when the storage breaks the rule, and with an error that names the case and the
   * limit when it takes too long.
   */
  run(world: CaseWorld): Promise<void>
}

type CaseBodies = Readonly<Record<string, (world: CaseWorld) => Promise<void>>>

interface CaseTraits {
  readonly depth?: CaseDepth
  readonly needs?: readonly CaseNeed[]
  readonly timeoutMs?: number
  /** Measures the time limit. Default: the machine's. */
  readonly clock?: Clock
}

/** Cases of one subject, written as `{ sentence: body }`. */
export function caseGroup(group: string, bodies: CaseBodies, traits: CaseTraits = {}): readonly StorageCase[] {
  const { depth = 'cases', needs = [], timeoutMs = 30_000, clock } = traits
  return Object.entries(bodies).map(([sentence, body]) => {
    const name = `${group}: ${sentence}`
    const run = async (world: CaseWorld): Promise<void> => await withinLimit(name, timeoutMs, () => body(world), clock)
    return { name, depth, needs, timeoutMs, run }
  })
}

/** True when a storage with these capabilities has what the case needs. */
export function meetsNeeds(declared: DeclaredCapabilities, needs: readonly CaseNeed[]): boolean {
  return needs.every((need) =>
    need === 'durability' ? (declared.durability ?? 'none') !== 'none' : declared[need] === true,
  )
}
