import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  codec1,
  type AsyncWriter,
  isSuperseded,
  type JobWrite,
  type LedgerEntry,
  type LedgerStep,
  type LiveNeeds,
  type OccurrenceWrite,
  type StepState,
  type Storage,
  type StoredJob,
  writesFromLedger,
} from '@jobistemer/core/storage'
import { type BatchAnswers, runBatch } from './batch.ts'
import { ByteWriter } from './byte-writer.ts'
import { type JobParts, printContent, printHead, printLineage, printVersion, readStoredJob } from './job-form.ts'
import { printFields } from './layout.ts'
import type { Ledger } from './connection.ts'
import { printOptional, printOwner, readOccurrence, writeOccurrence } from './occurrence-form.ts'
import { contendedError } from './redis-errors.ts'
import { layouts, timesLayout } from './layouts.ts'
import type { Script } from './script.ts'
import { commitScript, commitEndsScript, readStepsScript } from './scripts/step.ts'

/** Maximum number of attempts of a step. An attempt fails if another step of the job was committed meanwhile. */
const mostAttempts = 200

/** Stands for no limit: this number exceeds the number of occurrences that a job can have. */
const noLimit = 0xffff_ffff

interface Question {
  readonly step: LedgerStep
  readonly needs: LiveNeeds | null
  /** A text with which the search for superseded occurrences continues; empty at the beginning of the search. */
  readonly place: Buffer
}

/** A job's head, with the stored text that was read. The commit compares this text. */
interface StoredHead extends StoredJob {
  readonly text: Buffer
}

/** An occurrence's record, with the stored text that was read. The commit compares this text. */
interface StoredEntry extends LedgerEntry {
  readonly text: Buffer
}

interface Reading {
  readonly stored: StoredHead | null
  readonly named: readonly StoredEntry[]
  readonly live: readonly StoredEntry[]
  /** A text with which the search for superseded occurrences continues; empty when the search has ended. */
  readonly place: Buffer
}

const nothing = Buffer.alloc(0)

/** Returns a function that collects items until the microtask queue is empty, and sends them in one call. */
function gathering<Item, Answer>(
  send: (items: readonly Item[]) => Promise<BatchAnswers<Answer>>,
): (item: Item) => Promise<Answer> {
  let gathered: Item[] = []
  let batch: Promise<BatchAnswers<Answer>> | null = null
  return async (item) => {
    const index = gathered.push(item) - 1
    batch ??= new Promise((resolve, reject) => {
      process.nextTick(() => {
        const items = gathered
        gathered = []
        batch = null
        send(items).then(resolve, reject)
      })
    })
    const { answers, failure } = await batch
    const answer = answers[index] as Answer | null
    if (answer === null) throw failure
    return answer
  }
}

type Read = (question: Question) => Promise<Reading>
type Commit = (write: JobWrite) => Promise<boolean>

/**
 * Implements the storage calls that run rarely. A script reads the data of a step, core decides on the changes, and a second
 * script commits the changes if the data are unchanged. The steps of a storage call share their script calls. Two storage
 * calls share none, because core adds the answers of a storage call to the error of a script call.
 */
export class Steps implements Pick<Storage, 'saveJobs' | 'createOccurrences' | 'cancel' | 'reap'> {
  readonly #ledger: Ledger

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  readonly saveJobs: Storage['saveJobs'] = async (request) =>
    await this.#writes(request.now, commitScript, 1).saveJobs(request)

  readonly createOccurrences: Storage['createOccurrences'] = async (request) =>
    await this.#writes(request.now, commitScript).createOccurrences(request)

  readonly cancel: Storage['cancel'] = async (request) =>
    await this.#writes(request.now, commitEndsScript).cancel(request)

  readonly reap: Storage['reap'] = async (request) => await this.#writes(request.now, commitEndsScript).reap(request)

  /**
   * Creates the object that runs the steps of one storage call. All these steps have the instant `now`. `script` commits them:
   * the server accepts {@link commitEndsScript} even when memory is short.
   */
  #writes(now: number, script: Script, itemsPerStep = 100): ReturnType<typeof writesFromLedger> {
    this.#ledger.connection.assertOpen()
    const read = gathering<Question, Reading>((questions) => this.#read(questions))
    const commit = gathering<JobWrite, boolean>((writes) => this.#commit(script, now, writes))
    const run: AsyncWriter['run'] = async (step) => {
      for (let attempt = 0; attempt < mostAttempts; attempt++) if (await tryStep(step, read, commit)) return
      throw contendedError(step.jobs[0] as JobId, mostAttempts)
    }
    return writesFromLedger({ unit: 'job', itemsPerStep, concurrency: 1000, run })
  }

  async #read(questions: readonly Question[]): Promise<BatchAnswers<Reading>> {
    return await runBatch(this.#ledger.connection, questions, {
      jobOf: ({ step }) => step.jobs[0] as JobId,
      prepare: (group) => {
        const writer = new ByteWriter(group.length)
        for (const question of group) writeQuestion(writer, question)
        return { script: readStepsScript, arguments: [writer.finish()] }
      },
      isWrite: false,
      read: (reply, group) =>
        (reply as readonly StepParts[]).map((parts, index) => readReading(parts, group[index] as Question)),
    })
  }

  async #commit(script: Script, now: number, writes: readonly JobWrite[]): Promise<BatchAnswers<boolean>> {
    const { connection, channel, sender } = this.#ledger
    return await runBatch(connection, writes, {
      jobOf: ({ jobId }) => jobId,
      prepare: (group) => {
        const writer = new ByteWriter(group.length)
        for (const write of group) writeCommit(writer, now, write)
        return { script, arguments: [writer.finish(), channel, sender] }
      },
      read: (reply) => (reply as readonly number[]).map((isDone) => isDone === 1),
    })
  }
}

/** Reads, decides and commits a step. Returns false if another step has changed the job meanwhile. */
async function tryStep(step: LedgerStep, read: Read, commit: Commit): Promise<boolean> {
  const { stored, named } = await read({ step, needs: null, place: nothing })
  const heads = {
    jobs: new Map(stored === null ? [] : [[stored.head.id, stored]]),
    occurrences: new Map(named.map((entry) => [entry.record.id, entry])),
  }
  const [needs] = step.needs(heads)
  // The counts of waiting occurrences are in the head. So a step that needs only the counts reads no waiting
  // occurrence.
  const isRead = needs !== undefined && (needs.pending > 0 || needs.queued > 0 || needs.superseded !== null)
  const live = isRead ? await readLive(read, step, needs, stored as StoredHead) : []
  if (live === null) return false
  const [write] = step.decide({ ...heads, live: byState(step.jobs[0] as JobId, live), keys: new Map() })
  return write === undefined || (await commit(write))
}

/** Reads the live occurrences that a step needs. Returns `null` if the job has changed since its head was read. */
async function readLive(
  read: Read,
  step: LedgerStep,
  needs: LiveNeeds,
  { text }: StoredHead,
): Promise<readonly StoredEntry[] | null> {
  const live = new Map<OccurrenceId, StoredEntry>()
  let place: Buffer = nothing
  do {
    const reading = await read({ step, needs: place === nothing ? needs : onlyLeft(needs, live), place })
    if (reading.stored === null || !reading.stored.text.equals(text)) return null
    for (const entry of reading.live) live.set(entry.record.id, entry)
    place = reading.place
  } while (place.length > 0)
  return [...live.values()]
}

/**
 * Returns what a step still needs from a second read: only the superseded occurrences that the previous read has not
 * found.
 */
function onlyLeft({ superseded, ...needs }: LiveNeeds, live: ReadonlyMap<OccurrenceId, StoredEntry>): LiveNeeds {
  if (superseded === null) return { ...needs, superseded }
  const waiting = [...live.values()].filter(({ record }) => record.state !== 'running')
  const found = waiting.filter(({ record }) => isSuperseded(superseded, record))
  return { ...needs, pending: 0, queued: 0, superseded: { ...superseded, count: superseded.count - found.length } }
}

function byState(jobId: JobId, live: readonly StoredEntry[]): StepState['live'] {
  const inState = (state: string) => live.filter(({ record }) => record.state === state)
  return new Map([[jobId, { pending: inState('pending'), queued: inState('queued'), running: inState('running') }]])
}

function writeQuestion(writer: ByteWriter, { step, needs, place }: Question): void {
  const { at, size } = layouts.stepRead
  const named = needs === null ? step.occurrences : []
  const start = writer.skip(size)
  writer.setId(start + at.job, step.jobs[0] as JobId)
  writer.setByte(start + at.isWhole, step.wholeJobs && needs === null ? 1 : 0)
  writer.setUint32(start + at.named, named.length)
  const { pending = 0, queued = 0 } = needs ?? {}
  // This code does not read the occurrences in two cases, because the commit script itself makes the change:
  //
  // - A step needs all pending occurrences, to make them claimable.
  // - A step needs all queued occurrences, to wake them.
  //
  // If a step needs all pending and all queued occurrences, it cancels them, so this code reads them.
  const needed = (count: number) => (count === Infinity && pending !== queued ? 0 : Math.min(count, noLimit))
  writer.setUint32(start + at.pendingNeeded, needed(pending))
  writer.setUint32(start + at.queuedNeeded, needed(queued))
  writer.setUint32(start + at.superseded, Math.min(needs?.superseded?.count ?? 0, noLimit))
  writer.setUint32(start + at.cancelsBelow, needs?.superseded?.cancelsBelow ?? 0)
  writer.setUint32(start + at.placeSize, place.length)
  for (const { id } of named) writer.id(id)
  writer.bytes(place)
}

/** The parts of a script's answer about one step, see `readStepsScript`. */
type StepParts = readonly [
  head: Buffer,
  job: JobParts | readonly [],
  named: readonly Buffer[],
  live: readonly Buffer[],
  place: Buffer,
]

function readReading([text, parts, named, live, place]: StepParts, { step }: Question): Reading {
  const id = step.jobs[0] as JobId
  const entries: StoredEntry[] = []
  for (let index = 0; index < live.length; index += 2) {
    const occurrence = codec1.readOccurrenceId(live[index] as Buffer, 0)
    entries.push(...entryOf(occurrence, live[index + 1] as Buffer))
  }
  return {
    stored: text.length === 0 ? null : { ...readStoredJob(id, text, parts), text },
    named: named.flatMap((record, index) => entryOf((step.occurrences[index] as { id: OccurrenceId }).id, record)),
    live: entries,
    place,
  }
}

function entryOf(id: OccurrenceId, text: Buffer): readonly StoredEntry[] {
  return text.length === 0 ? [] : [{ record: readOccurrence(id, text), text }]
}

function writeCommit(writer: ByteWriter, now: number, write: JobWrite): void {
  const { jobId, before, after, versions, occurrences } = write
  const { at, size } = layouts.stepCommit
  const head = before as StoredHead | null
  const isSameHead = after.head === before?.head
  const saved = after.job === before?.job ? null : after.job
  const start = writer.skip(size)
  const text = (part: Buffer | string) => (typeof part === 'string' ? writer.text(part) : writer.bytes(part))
  const [version] = versions
  writer.setId(start + at.job, jobId)
  writer.setNumber(start + at.now, now)
  writer.setByte(start + at.isFree, isSameHead && occurrences.every(goesOn) ? 1 : 0)
  writer.setUint32(start + at.beforeSize, text(head?.text ?? ''))
  writer.setUint32(start + at.afterSize, text(isSameHead ? '' : printHead(head?.text ?? null, after.head)))
  writer.setUint32(start + at.contentSize, text(saved === null ? '' : printContent(saved)))
  writer.setUint32(start + at.ownerSize, text(saved === null ? '' : printOptional(saved.owner)))
  writer.setUint32(start + at.lineageSize, text(saved === null ? '' : printLineage(saved.lineage)))
  writer.setUint32(start + at.pausedSize, text(saved?.paused == null ? '' : JSON.stringify(saved.paused)))
  writer.setUint32(start + at.timesSize, text(saved === null ? '' : printFields(timesLayout, saved)))
  writer.setUint32(start + at.versionSize, text(version === undefined ? '' : printVersion(version)))
  writer.setUint32(start + at.recordCount, occurrences.length)
  for (const change of occurrences) writeChange(writer, change)
}

/** Returns whether an occurrence is running before and after the change. Such a change leaves the job's head as it is. */
function goesOn({ before, after }: OccurrenceWrite): boolean {
  return before?.record.state === 'running' && after.state === 'running'
}

function writeChange(writer: ByteWriter, { before, after }: OccurrenceWrite): void {
  const { at, size } = layouts.recordChange
  const start = writer.skip(size)
  const text = (before as StoredEntry | null)?.text ?? nothing
  writer.setId(start + at.id, after.id)
  writer.setUint32(start + at.beforeSize, writer.bytes(text))
  const owner = after.owner === null ? '' : printOwner(after.owner)
  writer.setUint32(start + at.afterSize, writeOccurrence(writer, after, owner))
}
