import type { JobId, OccurrenceId } from '@jobistemer/core'
import { isFinal, type OccurrenceAddress, random } from '@jobistemer/core/storage'
import { type Item, number, numberOf, text, textOf } from './attributes.ts'
import { hasBulk, referenceTo, restoreBulk } from './bulk.ts'
import { contentionError } from './dynamodb-errors.ts'
import { readHead, type StoredHead } from './job-item.ts'
import { type Key, keyItem, keyOf, type Keys } from './keys.ts'
import { names, readOccurrence, type StoredOccurrence } from './occurrence-item.ts'
import { pause } from './pauses.ts'
import type { KnownVersions } from './known-versions.ts'
import type { PriorityLevels } from './priority-levels.ts'
import type { FoundItems, Requests } from './requests.ts'

/** The dependencies of all steps: requests, keys and caches of one storage. */
export interface Table {
  readonly requests: Requests
  readonly keys: Keys
  /** The priority levels of pending occurrences that this process knows. */
  readonly levels: PriorityLevels
  readonly versions: KnownVersions
  /** The last step that this storage has started on each job. */
  readonly stepsUnderWay: Map<JobId, Promise<void>>
}

/** Maximum number of concurrent requests of one call. A client's HTTP agent has 50 sockets by default. */
export const concurrency = 24

/** Maximum number of items of one step. A larger transaction would conflict with other nodes too often. */
export const itemsPerStep = 20

/** Result of a step if another step has written between its reads and its write. The step must decide again. */
export const contended: unique symbol = Symbol('contended')

const mostTries = 300
const longestPauseMs = 120

/** Repeats a step until it is not `contended`. Each repetition means that another step succeeded. */
export async function untilDecided<T>(
  { requests }: Table,
  what: string,
  attempt: () => Promise<T | typeof contended>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const answer = await attempt()
    if (answer !== contended) return answer
    if (tries === mostTries) throw contentionError(requests.tableName, what, tries)
    await pause(Math.ceil(random() * Math.min(longestPauseMs, 4 * 2 ** Math.min(tries, 10))))
  }
}

export async function loadHead({ requests, keys }: Table, job: JobId): Promise<StoredHead | null> {
  const item = await requests.get(keys.head(job))
  return item === null ? null : readHead(item)
}

/** Whether the caller wants the task runs of occurrences. If not, the separate items that hold large task runs are not read. */
export interface WithRuns {
  readonly runs: boolean
}

export async function loadOccurrences(
  table: Table,
  addresses: readonly OccurrenceAddress[],
  { runs }: WithRuns = { runs: true },
): Promise<readonly (StoredOccurrence | null)[]> {
  if (addresses.length === 0) return []
  const { keys } = table
  const found = await readItems(
    table,
    addresses.map((address) => keys.occurrence(address)),
    { runs },
  )
  return addresses.map((address) => occurrenceIn(found, keys, address))
}

/** Reads items consistently, including their large values that lie in separate items. */
export async function readItems(
  table: Table,
  wanted: readonly Key[],
  { runs }: WithRuns = { runs: true },
): Promise<FoundItems> {
  const found = await table.requests.getAll(wanted)
  for (const key of wanted) {
    const item = found.get(key)
    if (item === null || (runs && !hasBulk(item))) continue
    const whole = await wholeItem(table, item, { runs })
    if (whole === null) found.remove(key)
    else found.add(whole)
  }
  return found
}

/**
 * Returns an item with its large values, which lie in separate items. Reads the item again while other nodes change it.
 * Returns `null` if the item was removed.
 */
export async function wholeItem(table: Table, read: Item, { runs }: WithRuns = { runs: true }): Promise<Item | null> {
  const item = runs ? read : withoutRuns(read)
  if (!hasBulk(item)) return item
  return await untilDecided(table, textOf(item, 'sk'), async () => {
    const whole = await restoreBulk(table, item)
    if (whole !== null) return whole
    const again = await table.requests.get(keyOf(item))
    if (again === null) return null
    const wholeAgain = await restoreBulk(table, runs ? again : withoutRuns(again))
    if (wholeAgain !== null) return wholeAgain
    // A final record never changes. So if a part (a separate item for a large value) is missing, a prune is removing
    // the record.
    return isFinal(readOccurrence(again).record.state) ? null : contended
  })
}

function withoutRuns(item: Item): Item {
  const { [names.runs]: _runs, [referenceTo(names.runs)]: _reference, ...rest } = item
  return rest
}

export function occurrenceIn(found: FoundItems, keys: Keys, address: OccurrenceAddress): StoredOccurrence | null {
  const item = found.get(keys.occurrence(address))
  return item === null ? null : readOccurrence(item)
}

/** Returns the addresses of occurrences by their ids. An entry is `null` if the occurrence does not exist. */
export async function findAddresses(
  { requests, keys }: Table,
  ids: readonly OccurrenceId[],
): Promise<readonly (OccurrenceAddress | null)[]> {
  if (ids.length === 0) return []
  const found = await requests.getAll(ids.map((id) => keys.address(id)))
  return ids.map((id) => addressIn(found, keys, id))
}

export function addressIn(found: FoundItems, keys: Keys, id: OccurrenceId): OccurrenceAddress | null {
  const item = found.get(keys.address(id))
  return item === null ? null : { id, jobId: `job_${textOf(item, 'j')}`, scheduledAt: numberOf(item, 't') }
}

export function addressItem(keys: Keys, { id, jobId, scheduledAt }: OccurrenceAddress): Item {
  return { ...keyItem(keys.address(id)), j: text(jobId.slice(4)), t: number(scheduledAt) }
}
