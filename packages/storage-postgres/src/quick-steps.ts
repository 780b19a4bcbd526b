import type { CreateAnswer, CreateItem, CreateSlot, Owner, SettleAnswer, SettleItem } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { uuidOf } from './ids.ts'
import { printDetails } from './occurrence-row.ts'
import { isContention } from './postgres-errors.ts'
import { endColumns, startColumns } from './quick-functions.ts'
import { printRuns } from './runs-text.ts'
import { plainArray, type SqlValue, textArray } from './sql.ts'
import { stateCode } from './state-codes.ts'
import { storeText, storeTextOrNull } from './stored-text.ts'

const none: readonly never[] = Object.freeze([])

const started: CreateAnswer = Object.freeze({
  outcome: 'created',
  state: 'running',
  token: 1,
  reason: null,
  displaced: none,
  cancelRequested: none,
})

const accepted: SettleAnswer = Object.freeze({ outcome: 'ok', woken: null, cancelRequested: null })

/** An ordinary end, as far as the item goes. */
type EndItem = SettleItem & { readonly change: { readonly kind: 'finish' } }

/** After a call of which less than half was ordinary, so many go to the rules at once. */
const pause = 8

/**
 * The ordinary cases in one call of a function that does not read first. What it leaves to the rules is answered `null`, and
 * nothing of it has changed.
 */
export class QuickSteps {
  readonly #database: Database
  readonly #start: string
  readonly #end: string
  readonly #starts = new Usefulness()
  readonly #ends = new Usefulness()

  constructor(database: Database, schema: string) {
    this.#database = database
    const start = [...startColumns.map(([, type]) => `${type}[]`), 'bigint', 'text', 'text']
    this.#start = callOf(`${schema}.start_step`, start)
    this.#end = callOf(`${schema}.end_step`, [...endColumns.map(([, type]) => `${type}[]`), 'bigint'])
  }

  async creates(
    items: readonly CreateItem[],
    { now, owner }: { readonly now: number; readonly owner: Owner },
  ): Promise<readonly (CreateAnswer | null)[]> {
    const isOrdinary = (item: CreateItem): item is CreateSlot => {
      return item.kind === 'slot' && item.runs !== null && item.scheduledAt <= now
    }
    return await this.#run(items, isOrdinary, this.#starts, started, async (slots) => {
      const columns = [
        plainArray(slots.map(({ jobId }) => uuidOf(jobId))),
        plainArray(slots.map(({ id }) => uuidOf(id))),
        plainArray(slots.map(({ scheduledAt }) => scheduledAt)),
        plainArray(slots.map(({ nextAt }) => nextAt)),
        plainArray(slots.map(({ jobVersion }) => jobVersion)),
        plainArray(slots.map(({ executionTimeoutMs }) => executionTimeoutMs)),
        textArray(slots.map(({ details }) => printDetails(details))),
        textArray(slots.map(({ runs, scheduledAt }) => printRuns(runs ?? none, scheduledAt))),
      ]
      return await this.#call(this.#start, [
        ...columns,
        String(now),
        storeText(owner.node),
        storeText(owner.incarnation),
      ])
    })
  }

  async settles(items: readonly SettleItem[], now: number): Promise<readonly (SettleAnswer | null)[]> {
    const isOrdinary = (item: SettleItem): item is EndItem => {
      return item.change.kind === 'finish' && item.upToSequence === undefined
    }
    return await this.#run(items, isOrdinary, this.#ends, accepted, async (ends) => {
      const columns = [
        plainArray(ends.map(({ jobId }) => uuidOf(jobId))),
        plainArray(ends.map(({ id }) => uuidOf(id))),
        plainArray(ends.map(({ token }) => token)),
        plainArray(ends.map(({ sequence }) => sequence)),
        plainArray(ends.map(({ change }) => stateCode(change.state))),
        textArray(ends.map(({ change }) => storeTextOrNull(change.reason))),
        textArray(ends.map(({ runs, scheduledAt }) => printRuns(runs, scheduledAt))),
      ]
      return await this.#call(this.#end, [...columns, String(now)])
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
    const chosen: { readonly item: Ordinary; readonly index: number }[] = []
    for (const [index, item] of items.entries()) if (isOrdinary(item)) chosen.push({ item, index })
    if (chosen.length === 0) return answers
    chosen.sort(({ item: left }, { item: right }) => (left.jobId < right.jobId ? -1 : 1))
    const left = await call(chosen.map(({ item }) => item))
    usefulness.note(chosen.length, left?.length ?? chosen.length)
    if (left === null) return answers
    for (const { index } of chosen) answers[index] = done
    for (const place of left) answers[(chosen[place - 1] as { readonly index: number }).index] = null
    return answers
  }

  /** The places, from 1 on, that are left to the rules; `null` for all of them. */
  async #call(text: string, values: readonly SqlValue[]): Promise<readonly number[] | null> {
    try {
      const [row] = await this.#database.query(text, values)
      const left = String(row?.left)
      return left === '{}' ? none : left.slice(1, -1).split(',').map(Number)
    } catch (error) {
      // Others have come between.
      if (isContention(error)) return null
      throw error
    }
  }
}

/** Whether it pays to try. */
class Usefulness {
  #skips = 0

  isDoubtful(): boolean {
    return this.#skips > 0 && this.#skips-- > 0
  }

  note(asked: number, left: number): void {
    if (left * 2 > asked) this.#skips = pause
  }
}

function callOf(name: string, types: readonly string[]): string {
  const parameters = types.map((type, index) => `$${index + 1}::text::${type}`)
  return `SELECT ${name}(${parameters.join(', ')})::text AS left`
}
