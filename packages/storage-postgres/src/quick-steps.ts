import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  codec1,
  type CreateAnswer,
  type CreateItem,
  type CreateSlot,
  type OccurrenceAddress,
  type Owner,
  settledAlone,
  type SettleAnswer,
  type SettleItem,
  slotStarted,
} from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { binaryUuids, uuidOf } from './ids.ts'
import { mayStandInHead } from './in-head.ts'
import { isContention, isHeld } from './postgres-errors.ts'
import { absent, endColumns, heldMs, parameterType, separator, startColumns } from './quick-functions.ts'
import { plainArray, quoteText, type SqlValue, storeText } from './sql.ts'
import { stateCode } from './occurrence-row.ts'

const { printDetails, printRuns } = codec1

const none: readonly never[] = Object.freeze([])

/** A settle item that ends its occurrence. If the end wakes no other occurrence, the SQL function `end_step` can write it. */
type EndItem = SettleItem & { readonly change: { readonly kind: 'finish' } }

/**
 * After a call in which the database function wrote less than half of the items, this number of calls does not use the
 * function.
 */
const pause = 8

/**
 * Writes starts of slots, and ends that wake no occurrence, by one call of a database function. If core's rules must
 * decide an item, the answer for this item is `null`, and the function changes nothing for this item.
 */
export class QuickSteps {
  readonly #database: Database
  readonly #start: CallText
  readonly #end: CallText
  readonly #starts = new Usefulness()
  readonly #ends = new Usefulness()

  constructor(database: Database, schema: string) {
    this.#database = database
    const start = [...startColumns.map(([, type]) => parameterType(type)), 'bigint', 'text', 'text', 'boolean', 'text']
    this.#start = callOf(`${schema}.start_step`, start)
    this.#end = callOf(`${schema}.end_step`, [
      ...endColumns.map(([, type]) => parameterType(type)),
      'bigint',
      'text',
      'text',
    ])
    for (const call of [this.#start, this.#end]) for (const text of Object.values(call)) database.keepPlanOf(text)
  }

  async creates(
    items: readonly CreateItem[],
    { now, owner }: { readonly now: number; readonly owner: Owner },
  ): Promise<readonly (CreateAnswer | null)[]> {
    const isOrdinary = (item: CreateItem): item is CreateSlot => {
      return item.kind === 'slot' && item.runs !== null && item.scheduledAt <= now
    }
    return await this.#run(items, isOrdinary, this.#starts, slotStarted, async (slots) => {
      const texts = slots.map(({ details, runs, scheduledAt }) => {
        return [printDetails(details), printRuns(runs ?? none, scheduledAt)] as const
      })
      const inHeads = slots.every(({ scheduledAt, nextAt }, index) => {
        return mayStandInHead(scheduledAt, nextAt, texts[index] ?? none)
      })
      const arrays = [
        slots.map(({ scheduledAt }) => scheduledAt),
        slots.map(({ nextAt }) => nextAt ?? 'NULL'),
        slots.map(({ jobVersion }) => jobVersion),
        slots.map(({ executionTimeoutMs }) => executionTimeoutMs),
      ].map((values) => `{${shared(values)}}`)
      const jsons = [texts.map(([details]) => details ?? absent), texts.map(([, runs]) => runs ?? absent)]
      const rest = jsons.map((values) => shared(values, separator))
      rest.push(String(now), storeText(owner.node), storeText(owner.incarnation), String(inHeads), `${heldMs}ms`)
      return await this.#call(this.#start, slots, [...arrays, ...rest])
    })
  }

  async settles(items: readonly SettleItem[], now: number): Promise<readonly (SettleAnswer | null)[]> {
    // All items of one call of `end_step` must have the same owner. This code uses the owner of the first item.
    const owner = items[0]?.owner
    const isOrdinary = (item: SettleItem): item is EndItem => {
      const { change, upToSequence } = item
      return change.kind === 'finish' && upToSequence === undefined && item.owner?.incarnation === owner?.incarnation
    }
    const speaker = owner == null ? [null, null] : [storeText(owner.node), storeText(owner.incarnation)]
    return await this.#run(items, isOrdinary, this.#ends, settledAlone, async (ends) => {
      const arrays = [
        ends.map(({ token }) => token),
        ends.map(({ sequence }) => sequence),
        ends.map(({ change }) => stateCode(change.state)),
        ends.map(({ change: { reason } }) => (reason === null ? 'NULL' : quoteText(storeText(reason)))),
      ].map((values) => `{${shared(values)}}`)
      const runs = ends.map((end) => printRuns(end.runs, end.scheduledAt) ?? absent)
      return await this.#call(this.#end, ends, [...arrays, shared(runs, separator), String(now), ...speaker])
    })
  }

  async #run<Item extends { readonly jobId: string }, Ordinary extends Item, Answer>(
    items: readonly Item[],
    isOrdinary: (item: Item) => item is Ordinary,
    usefulness: Usefulness,
    done: Answer,
    call: (items: readonly Ordinary[]) => Promise<readonly number[] | null>,
  ): Promise<readonly (Answer | null)[]> {
    const answers = new Array<Answer | null>(items.length).fill(null)
    if (usefulness.isDoubtful()) return answers
    const chosen: Ordinary[] = []
    const places: number[] = []
    let isSorted = true
    for (const [index, item] of items.entries()) {
      if (!isOrdinary(item)) continue
      const last = chosen.at(-1)
      isSorted &&= last === undefined || last.jobId < item.jobId
      chosen.push(item)
      places.push(index)
    }
    if (chosen.length === 0) return answers
    if (!isSorted) {
      places.sort((left, right) => ((items[left] as Item).jobId < (items[right] as Item).jobId ? -1 : 1))
      for (const [place, index] of places.entries()) chosen[place] = items[index] as Ordinary
    }
    const left = await call(chosen)
    usefulness.note(chosen.length, left?.length ?? chosen.length)
    if (left === null) return answers
    for (const index of places) answers[index] = done
    for (const place of left) answers[places[place - 1] as number] = null
    return answers
  }

  /**
   * Returns the positions of the items about which core's rules must decide. Positions count from 1. Returns `null` if core's
   * rules must decide about all items.
   */
  async #call(
    call: CallText,
    items: readonly OccurrenceAddress[],
    values: readonly SqlValue[],
  ): Promise<readonly number[] | null> {
    const [text, arrayOfIds] = this.#database.takesBytes ? [call.withBytes, binaryUuids] : [call.withTexts, textUuids]
    const jobs = arrayOfIds(items.map(({ jobId }) => jobId))
    const ids = arrayOfIds(items.map(({ id }) => id))
    try {
      for (let tries = 0; tries < mostTries; tries++) {
        const [row] = await this.#database.query(text, [jobs, ids, ...values])
        if (row?.left === null) continue
        const left = String(row?.left)
        return left === '{}' ? none : left.slice(1, -1).split(',').map(Number)
      }
      return null
    } catch (error) {
      // Another transaction conflicted, or holds a row that the function needs. Then core's rules decide about all items.
      if (isContention(error) || isHeld(error)) return null
      throw error
    }
  }
}

/** Maximum number of tries of a call. If the calling node is a new owner, the first try only stores this owner. */
const mostTries = 2

/**
 * Decides whether to call `start_step` or `end_step`. A call may leave more than half of its items to core's rules.
 * Then the next calls (see {@link pause}) use no function.
 */
class Usefulness {
  #skips = 0

  isDoubtful(): boolean {
    return this.#skips > 0 && this.#skips-- > 0
  }

  note(asked: number, left: number): void {
    if (left * 2 > asked) this.#skips = pause
  }
}

/** Prints the values of a column. If all values are equal, which is usual, prints one value for all rows. */
function shared(values: readonly (string | number)[], between = ','): string {
  const [first] = values
  return values.every((value) => value === first) ? `${first}` : values.join(between)
}

/**
 * The SQL for a call of `start_step` or `end_step`: `withBytes` if the driver sends ids as bytes, otherwise
 * `withTexts`.
 */
interface CallText {
  readonly withBytes: string
  readonly withTexts: string
}

function callOf(name: string, types: readonly string[]): CallText {
  const call = (parameters: readonly string[]) => `SELECT ${name}(${parameters.join(', ')})::text AS left`
  return {
    withBytes: call(types.map((type, index) => `$${index + 1}${type === 'uuid[]' ? '' : '::text'}::${type}`)),
    withTexts: call(types.map((type, index) => `$${index + 1}::text::${type}`)),
  }
}

function textUuids(ids: readonly (JobId | OccurrenceId)[]): string {
  return plainArray(ids.map(uuidOf))
}
