import type { Clock } from '@jobistemer/core'
import type { StorageCapabilities } from '@jobistemer/core/storage'
import type { CaseWorld } from './storage-world.ts'
import { withinLimit } from './time-limit.ts'

/** The depth of a case. Deeper cases take longer, and find further faults. */
export type CaseDepth =
  /** Cases that test one behavior of one method, on one or two connections. */
  | 'cases'
  /** Cases in which many connections or processes use the same ids concurrently. */
  | 'races'
  /** Cases in which connections break before and after each message of a call. These cases need `server`. */
  | 'disconnects'
  /** Cases that compare the answers to random calls with the answers of the memory storage. */
  | 'model'
  /**
   * Cases that simulate nodes with lost and doubled answers, and then check the history of answers and the stored
   * records.
   */
  | 'soak'

export const caseDepths: readonly CaseDepth[] = ['cases', 'races', 'disconnects', 'model', 'soak']

/**
 * The capabilities that an adapter's test file declares. Test runners collect the list of tests before they run any test. So
 * the kit must know the capabilities before it opens a storage. A case checks that the storage reports the declared
 * capabilities.
 */
export interface DeclaredCapabilities {
  /** `multiProcess` of {@link StorageCapabilities}. Default `false`. */
  readonly multiProcess?: boolean
  /** `durability` of {@link StorageCapabilities}. Default `'none'`. */
  readonly durability?: StorageCapabilities['durability']
  /** `findsDueJobs` of {@link StorageCapabilities}. Default `false`. */
  readonly findsDueJobs?: boolean
  /** `takesNext` of {@link StorageCapabilities}. Default `false`. */
  readonly takesNext?: boolean
  /** Whether the storage has the method `serverTime`. Default `false`. */
  readonly serverTime?: boolean
  /** Whether the storage has the method `subscribe`. Default `false`. */
  readonly subscribe?: boolean
  /** Whether the storage has the method `within`. Default `false`. */
  readonly within?: boolean
  /** Whether the storage uses a server over TCP. The test databases of `open` then have `server`. Default `false`. */
  readonly server?: boolean
  /** Whether the storage keeps rows as text. The test databases of `open` then have `damage`. Default `false`. */
  readonly damage?: boolean
}

/** Capabilities that a case may require of a storage. */
export type CaseNeed =
  | 'multiProcess'
  /** The data outlive the last connection: any durability other than `none`. */
  | 'durability'
  | 'findsDueJobs'
  | 'takesNext'
  | 'serverTime'
  | 'subscribe'
  | 'within'
  | 'server'
  | 'damage'

/** One test case as data, independent of the test runner. */
export interface StorageCase {
  /** The unique name of the case: `group: sentence`. */
  readonly name: string
  /** The depth at which the case runs. */
  readonly depth: CaseDepth
  /** The required capabilities. The kit omits the case if the storage lacks one. */
  readonly needs: readonly CaseNeed[]
  /** Timeout of the case in ms, long enough for a slow storage. `run` enforces the timeout. */
  readonly timeoutMs: number
  /**
   * Runs the case. Rejects with an `AssertionError` if the storage breaks the rule that the case tests. After the timeout,
   * rejects with an error that names the case.
   */
  run(world: CaseWorld): Promise<void>
}

type CaseBodies = Readonly<Record<string, (world: CaseWorld) => Promise<void>>>

interface CaseTraits {
  readonly depth?: CaseDepth
  readonly needs?: readonly CaseNeed[]
  readonly timeoutMs?: number
  /** The clock that measures the timeout. Default: this machine's clock. */
  readonly clock?: Clock
}

/** Returns the cases of one group. `bodies` contains the name and the body of each case. */
export function caseGroup(group: string, bodies: CaseBodies, traits: CaseTraits = {}): readonly StorageCase[] {
  const { depth = 'cases', needs = [], timeoutMs = 30_000, clock } = traits
  return Object.entries(bodies).map(([sentence, body]) => {
    const name = `${group}: ${sentence}`
    const run = async (world: CaseWorld): Promise<void> => await withinLimit(name, timeoutMs, () => body(world), clock)
    return { name, depth, needs, timeoutMs, run }
  })
}

/** Returns whether a storage with these capabilities meets the requirements of a case. */
export function meetsNeeds(declared: DeclaredCapabilities, needs: readonly CaseNeed[]): boolean {
  return needs.every((need) =>
    need === 'durability' ? (declared.durability ?? 'none') !== 'none' : declared[need] === true,
  )
}
