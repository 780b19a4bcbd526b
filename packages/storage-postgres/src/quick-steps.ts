import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  codec1,
  type CreateAnswer,
  type CreateItem,
  type CreateSlot,
  type OccurrenceAddress,
  type Owner,
  type SettleAnswer,
  type SettleItem,
} from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { binaryUuids, uuidOf } from './ids.ts'
import { mayStandInHead } from './in-head.ts'
import { isContention, isHeld } from './postgres-errors.ts'
import { absent, endColumns, parameterType, separator, startColumns } from './quick-functions.ts'
import { plainArray, quoteText, type SqlValue } from './sql.ts'
import { stateCode } from './state-codes.ts'
import { storeText } from './stored-text.ts'

const { printDetails, printRuns } = codec1

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

/** Calls that go to the rules at once, after a call with fewer than half ordinary items. */
const pause = 8

/**
 * The ordinary cases in one call of a function that does not read first. What it leaves to the rules is answered `null`, and
 * nothing of it has changed.
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
    return await this.#run(items, isOrdinary, this.#starts, started, async (slots) => {
      const [scheduled, next] = [new SharedColumn(), new SharedColumn()]
      const [versions, timeouts] = [new SharedColumn(), new SharedColumn()]
      const [details, runs] = [new SharedColumn(separator), new SharedColumn(separator)]
      let inHeads = true
      for (const slot of slots) {
        scheduled.add(slot.scheduledAt)
        next.add(slot.nextAt ?? 'NULL')
        versions.add(slot.jobVersion)
        timeouts.add(slot.executionTimeoutMs)
        const texts = [printDetails(slot.details), printRuns(slot.runs ?? none, slot.scheduledAt)] as const
        details.add(texts[0] ?? absent)
        runs.add(texts[1] ?? absent)
        inHeads &&= mayStandInHead(slot.scheduledAt, slot.nextAt, texts)
      }
      const arrays = [scheduled, next, versions, timeouts].map(arrayOf)
      const [node, incarnation] = [storeText(owner.node), storeText(owner.incarnation)]
      const rest = [details.text, runs.text, String(now), node, incarnation, String(inHeads), this.#database.lockLimit]
      return await this.#call(this.#start, slots, [...arrays, ...rest])
    })
  }

  async settles(items: readonly SettleItem[], now: number): Promise<readonly (SettleAnswer | null)[]> {
    // One owner speaks in a call.
    const owner = items[0]?.owner
    const isOrdinary = (item: SettleItem): item is EndItem => {
      const { change, upToSequence } = item
      return change.kind === 'finish' && upToSequence === undefined && item.owner?.incarnation === owner?.incarnation
    }
    const speaker = owner == null ? [null, null] : [storeText(owner.node), storeText(owner.incarnation)]
    return await this.#run(items, isOrdinary, this.#ends, accepted, async (ends) => {
      const [tokens, sequences, states] = [new SharedColumn(), new SharedColumn(), new SharedColumn()]
      const [reasons, runs] = [new SharedColumn(), new SharedColumn(separator)]
      for (const end of ends) {
        tokens.add(end.token)
        sequences.add(end.sequence)
        states.add(stateCode(end.change.state))
        const { reason } = end.change
        reasons.add(reason === null ? 'NULL' : quoteText(storeText(reason)))
        runs.add(printRuns(end.runs, end.scheduledAt) ?? absent)
      }
      const arrays = [tokens, sequences, states, reasons].map(arrayOf)
      return await this.#call(this.#end, ends, [...arrays, runs.text, String(now), ...speaker])
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

  /** Returns the positions of the items that the rules must decide, from 1 on; `null` if they must decide all items. */
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
      // Others have come between, or hold what an end waits for.
      if (isContention(error) || (call === this.#end && isHeld(error))) return null
      throw error
    }
  }
}

/** A call is repeated that has done nothing but to write its owner. */
const mostTries = 2

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

/** The values of a column, one behind the other. */
class Column {
  text = ''
  readonly #between: string

  constructor(between = ',') {
    this.#between = between
  }

  add(value: string | number): void {
    this.text = this.text === '' ? `${value}` : this.text + this.#between + value
  }
}

/** Values that mostly are all the same: one stands for all of them then. */
class SharedColumn {
  #value: string | number | null = null
  #count = 0
  #all: Column | null = null
  readonly #between: string

  constructor(between = ',') {
    this.#between = between
  }

  get text(): string {
    return this.#all === null ? `${this.#value}` : this.#all.text
  }

  add(value: string | number): void {
    if (this.#all === null && this.#count > 0 && value !== this.#value) {
      this.#all = new Column(this.#between)
      for (let count = 0; count < this.#count; count++) this.#all.add(this.#value as string | number)
    }
    this.#all?.add(value)
    this.#value = value
    this.#count++
  }
}

function arrayOf({ text }: { readonly text: string }): string {
  return `{${text}}`
}

/** A call of a function, whose first two parameters are ids. */
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
