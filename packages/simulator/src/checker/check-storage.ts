import { type JobId, type OccurrenceId, occurrenceId } from '@jobistemer/core'
import {
  createdId,
  isPausedAt,
  type JobRecord,
  type OccurrenceState,
  type RecoveryEntry,
  type StartRate,
  type TaskRunRecord,
} from '@jobistemer/core/storage'
import type { HistoryEvent } from '../history/history.ts'
import type { JobModel, OccurrenceModel } from './job-model.ts'
import { isCompressed, tileProblems } from './check-tiles.ts'
import { nextSlot, slotsBetween } from './series.ts'
import type { Rule, Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

/**
 * Delay after the end of a `runDue` call until nodes take over its runs, in ms. Covers clock differences and the time that
 * storage calls take.
 */
const callMarginMs = 5000

/** Applies all answers of the storage to a model, and records each answer that contradicts the model. */
export class StorageModel {
  readonly jobs: Map<JobId, JobModel> = new Map()
  readonly occurrences: Map<OccurrenceId, OccurrenceModel> = new Map()
  readonly violations: Violation[] = []
  /**
   * For each node incarnation: the highest deadline up to which it has scanned for overdue work. The highest value counts,
   * because the node's clock may be set back between the scan and the reap.
   */
  readonly #sought = new Map<string | null, number>()
  readonly #incarnations = new Map<string | null, string>()
  /** End of each `runDue` call, by the clock of its process. */
  readonly #callEnds = new Map<string | null, number>()
  /** For each node incarnation: the incarnations of other nodes that this node has declared dead. */
  readonly #lost = new Map<string | null, Set<string>>()
  /**
   * Node incarnations that shut down properly. If a call of such a node took effect late, the node may still own an occurrence
   * after its shutdown.
   */
  readonly #down = new Set<string | null>()
  /** Periods in which each node incarnation was frozen, in true monotonic time and in order. */
  readonly #stood = new Map<string | null, { readonly from: number; to: number }[]>()
  #index = 0

  follow(event: HistoryEvent, index: number): void {
    this.#index = index
    switch (event.kind) {
      case 'head':
        this.#headSeen(event.jobId, event)
        return
      case 'job.saved':
        this.#jobSaved(event)
        return
      case 'created':
        this.#created(event)
        return
      case 'recovered':
        this.#recovered(event)
        return
      case 'claimed':
        this.#claimed(event)
        return
      case 'settled':
        this.#settled(event)
        return
      case 'reaped':
        this.#reaped(event)
        return
      case 'overdue.sought':
        this.#sought.set(event.life, Math.max(event.deadlineBefore, this.#sought.get(event.life) ?? 0))
        return
      case 'heartbeat':
        this.#incarnations.set(event.life, event.incarnation)
        if (event.callEndsAt !== null) this.#callEnds.set(event.life, event.callEndsAt)
        // The node has sent its last heartbeat, so from now on no peer can declare this node dead.
        if (event.ended) this.#down.add(event.life)
        return
      case 'peer.lost':
        this.#lost.set(event.life, (this.#lost.get(event.life) ?? new Set()).add(event.incarnation))
        return
      case 'node.frozen':
        this.#stood.set(event.life, [...(this.#stood.get(event.life) ?? []), { from: event.mono, to: event.mono }])
        return
      case 'node.thawed': {
        const last = this.#stood.get(event.life)?.at(-1)
        if (last !== undefined) last.to = event.mono
        return
      }
      case 'node.down':
        this.#down.add(event.life)
        return
      case 'canceled':
        this.#canceled(event)
        return
      case 'pruned':
        this.#pruned(event)
        return
      case 'request.answered':
        if (!this.occurrences.has(event.id))
          this.#note(
            'request',
            event.jobId,
            event.id,
            `${event.request} was answered with an occurrence that no call created`,
          )
    }
  }

  #note(rule: Rule, jobId: JobId | null, occurrence: OccurrenceId | null, message: string): void {
    this.violations.push({ rule, message, jobId, occurrence, event: this.#index })
  }

  #headSeen(jobId: JobId, { watermark, pruneFloor }: Pick<JobRecord, 'watermark' | 'pruneFloor'>): void {
    const job = this.jobs.get(jobId)
    if (job === undefined) return
    if (pruneFloor !== null) job.pruneFloor = Math.max(job.pruneFloor, pruneFloor)
    if (watermark < job.watermark) {
      this.#note('watermark back', jobId, null, `${text(watermark)} after ${text(job.watermark)}`)
      return
    }
    // The watermark has moved past these slots. A slot without a record now breaks the rule `hole`.
    for (const slot of slotsBetween(job.head.timeline, decidedUpTo(job), watermark)) {
      if (!this.isDecidedAhead(job, slot)) {
        this.#note('hole', jobId, null, `the watermark is ${text(watermark)}, and nothing decided about ${text(slot)}`)
      }
    }
    job.watermark = watermark
  }

  /**
   * Returns whether a slot after the watermark has a record: the slot was canceled ahead, or decided before the job was
   * realigned.
   */
  isDecidedAhead({ head, excluded, setBackFrom }: JobModel, slot: number): boolean {
    return excluded.has(slot) || (slot <= setBackFrom && this.occurrences.has(occurrenceId(head.id, slot)))
  }

  #jobSaved({ change, head, canceled, setBackTo }: EventOf<'job.saved'>): void {
    const job = this.jobs.get(head.id)
    for (const id of canceled) this.#end(id, 'canceled')
    if (change === 'create') {
      this.#jobCreated(job, head)
      return
    }
    if (job === undefined) return
    if (setBackTo === null) this.#headSeen(head.id, head)
    else this.#setBack(job, head, setBackTo)
    if (change === 'replace') {
      // One replace may need several changes of the head to cancel all superseded occurrences. All these changes have the same
      // version number.
      const goesOn = head.version === job.head.version && job.head.cancelsBelow !== null
      if (head.version !== job.head.version + 1 && !goesOn) {
        this.#note('version', head.id, null, `${head.version} came after ${job.head.version}`)
      }
    }
    job.starts = startsSeen(job, head)
    job.head = head
    job.overlaps ||= mayOverlap(head)
    job.mostPlaces = Math.max(job.mostPlaces, placesIn(head))
    job.cancelsBelow = Math.max(job.cancelsBelow, head.cancelsBelow ?? 0)
  }

  #setBack(job: JobModel, { id, watermark, nextAt }: JobModel['head'], to: number): void {
    if (watermark !== to || to >= job.watermark) {
      this.#note('watermark back', id, null, `set back from ${text(job.watermark)} to ${text(to)}: ${text(watermark)}`)
    }
    const next = nextSlot(job.head.timeline, Math.max(to, job.pruneFloor))
    if (nextAt !== next) this.#note('off series', id, null, `set back to ${text(nextAt)} instead of ${text(next)}`)
    job.setBackFrom = Math.max(job.setBackFrom, job.watermark)
    job.watermark = watermark
  }

  #jobCreated(job: JobModel | undefined, head: JobModel['head']): void {
    if (job !== undefined && job.head.deletedAt === null) {
      this.#note('created twice', head.id, null, 'the job was there')
    }
    // A prune may remove an old tombstone together with the history of its job. The storage then stores the job as a new
    // job, with version 1.
    const deletedAt = job?.head.deletedAt ?? null
    const isAnew = head.version === 1 && job !== undefined && deletedAt !== null && deletedAt < job.prunedBefore
    if (job !== undefined && !isAnew && head.watermark < job.watermark) {
      this.#note('watermark back', head.id, null, `${text(head.watermark)} after ${text(job.watermark)}`)
    }
    // Whether the creating node computed the next slot from a tombstone, and another node pruned this tombstone before the
    // creation.
    const followsTombstone =
      isAnew && head.nextAt === nextSlot(head.timeline, Math.max(head.watermark, decidedUpTo(job)))
    this.jobs.set(head.id, {
      head,
      watermark: head.watermark,
      setBackFrom: job === undefined || isAnew ? Number.NEGATIVE_INFINITY : job.setBackFrom,
      pruneFloor: head.pruneFloor ?? (followsTombstone ? decidedUpTo(job) : Number.NEGATIVE_INFINITY),
      epoch: (job?.epoch ?? 0) + (isAnew ? 1 : 0),
      running: job?.running ?? new Map(),
      overlaps: (job?.overlaps ?? false) || mayOverlap(head),
      mostPlaces: Math.max(job?.mostPlaces ?? 1, placesIn(head)),
      starts: job === undefined || isAnew ? [] : startsSeen(job, head),
      prunedBefore: job?.prunedBefore ?? Number.NEGATIVE_INFINITY,
      cancelsBelow: job === undefined || isAnew ? 0 : job.cancelsBelow,
      excluded: isAnew ? new Map() : (job?.excluded ?? new Map()),
    })
  }

  #created({ item, state, token, now, life, displaced, mono }: EventOf<'created'>): void {
    const { jobId, scheduledAt, jobVersion } = item
    const id = item.kind === 'exclusion' ? item.id : createdId(item, state)
    // The storage may store a skipped request under an id other than `item.id`. If this id already has a record, the node has
    // only repeated a request whose answer was lost.
    if (id !== item.id && this.occurrences.has(id)) return
    const job = this.jobs.get(jobId)
    if (job === undefined) {
      this.#note('created twice', jobId, id, 'it was created in a job that does not exist')
      return
    }
    this.#checkVersion(job, id, jobVersion)
    for (const other of displaced) this.#end(other, 'canceled')
    const kind = item.kind === 'exclusion' ? 'slot' : item.kind
    const ended = isEnd(state) ? state : null
    this.#add({ id, jobId, scheduledAt, lastSlot: scheduledAt, kind, version: jobVersion, ended })
    if (item.kind === 'exclusion') {
      job.excluded.set(scheduledAt, { mono, isLate: scheduledAt <= now })
      return
    }
    if (item.kind === 'slot') this.#slotCreated(job, id, scheduledAt)
    if (state !== 'running') return
    const dueAt = item.kind === 'slot' ? scheduledAt : item.dueAt
    this.#grant(job, { id, token, life, now, dueAt, timeoutMs: item.executionTimeoutMs, mono })
    this.#written(id, item.runs ?? [])
  }

  #checkVersion(job: JobModel, id: OccurrenceId, version: number): void {
    const { head } = job
    if (head.deletedAt !== null) this.#note('version', head.id, id, 'it was created in a job that was deleted')
    if (version === head.version) return
    this.#note('version', head.id, id, `it was created under version ${version}, ${head.version} is in force`)
  }

  #slotCreated(job: JobModel, id: OccurrenceId, scheduledAt: number): void {
    const { head, watermark } = job
    if (id !== occurrenceId(head.id, scheduledAt))
      this.#note('off series', head.id, id, 'its id is not that of its slot')
    if (scheduledAt <= watermark) {
      this.#note('off series', head.id, id, `slot ${text(scheduledAt)} was decided, watermark ${text(watermark)}`)
      return
    }
    const expected = nextSlot(head.timeline, decidedUpTo(job))
    if (scheduledAt !== expected) {
      this.#note('off series', head.id, id, `slot ${text(scheduledAt)} instead of ${text(expected)}`)
    }
    job.watermark = scheduledAt
  }

  #recovered(event: EventOf<'recovered'>): void {
    const { jobId, jobVersion, expectedWatermark, watermark, entries } = event
    const job = this.jobs.get(jobId)
    if (job === undefined) {
      this.#note('recovery', jobId, null, 'a window of a job that does not exist was recovered')
      return
    }
    const [first] = entries
    this.#checkVersion(job, first?.id ?? occurrenceId(jobId, watermark), jobVersion)
    if (expectedWatermark !== job.watermark) {
      const message = `it expected the watermark ${text(expectedWatermark)}, which is ${text(job.watermark)}`
      this.#note('recovery', jobId, first?.id ?? null, message)
    }
    const slots = [...slotsBetween(job.head.timeline, decidedUpTo(job), watermark)]
    const tiled = slots.map((slot) => ({ slot, isDecided: this.#isDecidedFor(job, slot, event) }))
    for (const entry of entries) {
      const { id, scheduledAt } = entry
      const span = entry.kind === 'missed' ? entry.span : entry.details.span
      const lastSlot = Math.max(scheduledAt, span?.to ?? scheduledAt)
      // If the entry's id already has a record, the storage keeps that record.
      if (this.#isKept(job, entry)) {
        if (isCompressed(entry) && (span?.count ?? 1) > 1) {
          const message = `its slot already had a record, but the recovery made it a run for ${span?.count} slots`
          this.#note('hole', jobId, id, message)
        }
        continue
      }
      const ended = entry.kind === 'missed' ? 'missed' : null
      this.#add({ id, jobId, scheduledAt, lastSlot, kind: 'slot', version: jobVersion, ended })
    }
    for (const { entry, message } of tileProblems(entries, tiled)) {
      this.#note(entry === null ? 'hole' : 'recovery', jobId, entry?.id ?? null, message)
    }
    job.watermark = Math.max(job.watermark, watermark)
  }

  /**
   * Returns whether the slot has a record. `perhaps`: the record was created so late that the recovery may not have read
   * it.
   */
  #isDecidedFor(job: JobModel, slot: number, event: EventOf<'recovered'>): boolean | 'perhaps' {
    const exclusion = job.excluded.get(slot)
    const isRace = exclusion !== undefined && (exclusion.isLate || exclusion.mono > this.#lookedAfter(event))
    return isRace ? 'perhaps' : this.isDecidedAhead(job, slot)
  }

  /**
   * Returns the earliest time at which the node can have read the records for this recovery. This time is `longestLookMs`
   * before the write of the recovery, and earlier by each freeze of the node in between.
   */
  #lookedAfter({ life, mono }: EventOf<'recovered'>): number {
    let after = mono - longestLookMs
    for (const { from, to } of (this.#stood.get(life) ?? []).toReversed()) if (to > after) after -= to - from
    return after
  }

  #isKept(job: JobModel, { id, scheduledAt }: RecoveryEntry): boolean {
    if (id === occurrenceId(job.head.id, scheduledAt)) return this.isDecidedAhead(job, scheduledAt)
    return scheduledAt <= job.setBackFrom && this.occurrences.has(id)
  }

  #add(
    created: Pick<OccurrenceModel, 'id' | 'jobId' | 'scheduledAt' | 'lastSlot' | 'kind' | 'version' | 'ended'>,
  ): void {
    const { id, jobId, kind } = created
    const known = this.occurrences.get(id)
    const epoch = this.jobs.get(jobId)?.epoch ?? 0
    // The id of a removed record may occur again in two cases:
    // - The job was created again after a prune (`epoch`).
    // - The record of a request was removed, and its key was used again.
    const mayReturn = known !== undefined && (known.epoch < epoch || (kind !== 'slot' && this.mayBeGone(known)))
    if (known !== undefined && !mayReturn) this.#note('created twice', jobId, id, `slot ${text(created.scheduledAt)}`)
    this.occurrences.set(id, {
      ...created,
      failsInterrupted: settingsOf(this.jobs.get(jobId)?.head)?.onInterrupted === 'fail',
      epoch,
      token: 0,
      running: false,
      life: null,
      deadline: Number.POSITIVE_INFINITY,
      grantedAt: Number.POSITIVE_INFINITY,
      monotonicDeadline: Number.POSITIVE_INFINITY,
      sequence: 0,
      generation: (known?.generation ?? 0) + 1,
      earlierOwners: new Set(known === undefined ? [] : [...known.earlierOwners, `${known.token} ${known.life}`]),
      taken: new Map(),
      beginsUnder: 0,
      attempts: new Map(),
    })
  }

  mayBeGone({ jobId, lastSlot, ended }: OccurrenceModel): boolean {
    const prunedBefore = this.jobs.get(jobId)?.prunedBefore ?? Number.NEGATIVE_INFINITY
    return ended !== null && lastSlot < prunedBefore
  }

  #claimed({ id, jobId, token, life, now, dueAt, executionTimeoutMs, runs, mono }: EventOf<'claimed'>): void {
    const job = this.jobs.get(jobId)
    if (job === undefined) return
    if (!this.occurrences.has(id)) {
      this.#note('token', jobId, id, 'a node claimed it, but no call had created it')
      return
    }
    this.#grant(job, { id, token, life, now, dueAt, timeoutMs: executionTimeoutMs, mono })
    this.#written(id, runs)
    if (runs.length === 0) (this.occurrences.get(id) as OccurrenceModel).beginsUnder = token
  }

  #grant(
    job: JobModel,
    grant: {
      readonly id: OccurrenceId
      readonly token: number
      readonly life: string | null
      readonly now: number
      readonly dueAt: number
      readonly timeoutMs: number
      readonly mono: number
    },
  ): void {
    const { id, token, life, now, dueAt, timeoutMs, mono } = grant
    const { head, running } = job
    const occurrence = this.occurrences.get(id) as OccurrenceModel
    if (isPausedAt(head, now)) this.#note('pause', head.id, id, `${life} received it inside a pause`)
    if (now < dueAt) this.#note('early start', head.id, id, `${life} received it ${dueAt - now} ms before its time`)
    if (occurrence.running) this.#note('token', head.id, id, `${life} was given what ${occurrence.life} has`)
    if (occurrence.ended !== null)
      this.#note('ended twice', head.id, id, `it runs again after it was ${occurrence.ended}`)
    if (token !== occurrence.token + 1) {
      this.#note('token', head.id, id, `${life} was given token ${token} after ${occurrence.token}`)
    }
    if (running.size >= placesIn(head) && !job.overlaps) {
      const others = [...running.keys()].map((other) => `${other} (${this.occurrences.get(other)?.life})`)
      this.#note('overlap', head.id, id, `${life} received it while ${others.join(', ')} ran`)
    }
    this.#started(job, { id, life, now })
    running.set(id, token)
    occurrence.token = token
    occurrence.running = true
    occurrence.life = life
    occurrence.deadline = now + timeoutMs
    occurrence.grantedAt = mono
    occurrence.monotonicDeadline = mono + timeoutMs
    occurrence.sequence = 0
  }

  /** Counts a start for the job's start rate, at the time of the node that started the occurrence. */
  #started(job: JobModel, { id, life, now }: { id: OccurrenceId; life: string | null; now: number }): void {
    const rate = rateIn(job.head)
    if (rate === null) return
    const counted = job.starts[job.starts.length - rate.limit]
    if (counted !== undefined && now < counted + rate.intervalMs) {
      const message = `${life} received it at ${text(now)}, ${rate.limit} in ${rate.intervalMs} ms may start: ${job.starts.map(text).join(', ')}`
      this.#note('start rate', job.head.id, id, message)
    }
    job.starts = [...job.starts, now].slice(-rate.limit)
  }

  #settled({ id, jobId, token, sequence, change, state, runs, life }: EventOf<'settled'>): void {
    const occurrence = this.occurrences.get(id)
    if (occurrence === undefined) {
      this.#note('stale write', jobId, id, 'no call had created it')
      return
    }
    const isRepeated = token === occurrence.token && sequence === occurrence.sequence
    if (isRepeated && sequence > 0) return
    if (token !== occurrence.token || !occurrence.running) {
      const what = `a ${change} of ${life} under token ${token} was accepted`
      this.#note('stale write', jobId, id, `${what}, token ${occurrence.token} ${occurrence.ended ?? 'is in force'}`)
      return
    }
    // After the record of a request was removed, its key may be used again, and tokens begin at 1 again. The model then cannot
    // tell the owners of the two occurrences apart. So this check applies only to the first occurrence of an id: see the
    // README.
    if (occurrence.life !== life && occurrence.generation === 1) {
      this.#note('stale write', jobId, id, `${life} said it, but ${occurrence.life} has it`)
    }
    occurrence.sequence = sequence
    this.#written(id, runs)
    if (change === 'finish') this.#end(id, state as string)
    if (change === 'release') this.#handBack(occurrence)
  }

  #reaped({ id, jobId, token, action, reason, now, life, mono, runs }: EventOf<'reaped'>): void {
    const occurrence = this.occurrences.get(id)
    if (occurrence === undefined || !occurrence.running || occurrence.token !== token) {
      this.#note('token', jobId, id, `${life} reaped token ${token}, which was not alive`)
      return
    }
    if (reason === 'owner_restarted') {
      if (nodeOf(occurrence.life) !== nodeOf(life) || occurrence.life === life) {
        this.#note(
          'reaped early',
          jobId,
          id,
          `${life} took it as its own earlier life's, but ${occurrence.life} has it`,
        )
      }
    } else if (reason === 'node_lost') {
      const isLost = this.#lost.get(life)?.has(this.#incarnations.get(occurrence.life) ?? '') === true
      const isOver = now > (this.#callEnds.get(occurrence.life) ?? Number.POSITIVE_INFINITY) + callMarginMs
      if (!isLost && !isOver && !this.#down.has(occurrence.life)) {
        this.#note(
          'reaped early',
          jobId,
          id,
          `${life} took it from ${occurrence.life} without declaring that life dead`,
        )
      }
    } else if (
      Math.max(now, this.#sought.get(life) ?? 0) < occurrence.deadline &&
      mono < occurrence.monotonicDeadline
    ) {
      const left = occurrence.deadline - now
      this.#note('reaped early', jobId, id, `${life} took it from ${occurrence.life} ${left} ms before its deadline`)
    }
    occurrence.taken.set(token, mono)
    this.#written(id, runs)
    if (action === 'fail') this.#end(id, 'failed_stale')
    else this.#handBack(occurrence)
  }

  #canceled({ id, mono }: EventOf<'canceled'>): void {
    const occurrence = this.occurrences.get(id)
    if (occurrence === undefined) return
    if (occurrence.running) occurrence.taken.set(occurrence.token, mono)
    this.#end(id, 'canceled')
  }

  #handBack(occurrence: OccurrenceModel): void {
    occurrence.running = false
    const job = this.jobs.get(occurrence.jobId)
    job?.running.delete(occurrence.id)
    // If the job is deleted, a hand-back cancels the occurrence.
    if (job !== undefined && job.head.deletedAt !== null) occurrence.ended = 'canceled'
  }

  #end(id: OccurrenceId, state: string): void {
    const occurrence = this.occurrences.get(id)
    if (occurrence === undefined) return
    if (occurrence.ended !== null) {
      this.#note('ended twice', occurrence.jobId, id, `it ended as ${occurrence.ended} and as ${state}`)
    }
    occurrence.ended = state
    occurrence.running = false
    this.jobs.get(occurrence.jobId)?.running.delete(id)
  }

  #pruned({ jobId, before }: EventOf<'pruned'>): void {
    for (const [id, job] of this.jobs) {
      if (jobId === null || jobId === id) job.prunedBefore = Math.max(job.prunedBefore, before)
    }
  }

  /** Checks the stored attempts of an occurrence: their numbers begin at 1, and their count never falls. */
  #written(id: OccurrenceId, runs: readonly TaskRunRecord[]): void {
    const occurrence = this.occurrences.get(id)
    if (occurrence === undefined) return
    for (const { task, attempts, omitted } of runs) {
      // If a task has too many attempts, the storage keeps only its first and its last attempts. `gap` is the number of
      // attempts between them, which the storage has left out.
      const gap = omitted === undefined ? 0 : omitted.attempts
      for (const [index, { number }] of attempts.entries()) {
        const expected = index + 1 + (index < firstKept ? 0 : gap)
        if (number !== expected) {
          this.#note('attempts', occurrence.jobId, id, `attempt ${expected} of ${task} has the number ${number}`)
        }
      }
      if (attempts.length > mostKept || (gap > 0 && attempts.length < mostKept)) {
        this.#note('attempts', occurrence.jobId, id, `${attempts.length} attempts of ${task} are kept, ${gap} left out`)
      }
      const count = attempts.length + (omitted?.attempts ?? 0)
      const before = occurrence.attempts.get(task) ?? 0
      if (count < before || (attempts.at(-1)?.number ?? 0) !== count) {
        this.#note('attempts', occurrence.jobId, id, `${task} has ${count} attempts after ${before}`)
      }
      occurrence.attempts.set(task, count)
    }
  }
}

// Maximum time between a recovery's read and its write, in ms, unless the node is frozen.
const longestLookMs = 20_000

// Maximum number of attempts that the storage keeps of each task. The first `firstKept` of these are the task's first attempts.
const mostKept = 20
const firstKept = 5

function decidedUpTo({ watermark, pruneFloor }: JobModel): number {
  return Math.max(watermark, pruneFloor)
}

/**
 * Returns the number of places of a job, from its definition. The storage also keeps a copy of this number beside the
 * definition, which a sabotage may make wrong.
 */
function placesIn(head: JobModel['head']): number {
  return settingsOf(head)?.maxConcurrency ?? 1
}

function rateIn(head: JobModel['head']): StartRate | null {
  return settingsOf(head)?.startRate ?? null
}

/**
 * Returns the job's latest starts that count for the start rate of a new version. Returns no starts if the new version has
 * no start rate.
 */
function startsSeen(job: JobModel, head: JobModel['head']): readonly number[] {
  const rate = rateIn(head)
  return rate === null ? [] : job.starts.slice(-rate.limit)
}

function mayOverlap(head: JobModel['head']): boolean {
  return settingsOf(head)?.overlapPolicy === 'allow'
}

interface StoredSettings {
  readonly overlapPolicy?: string
  readonly maxConcurrency?: number
  readonly startRate?: StartRate | null
  readonly onInterrupted?: string
}

function settingsOf(head: JobModel['head'] | undefined): StoredSettings | undefined {
  return (head?.definition as { readonly settings: StoredSettings } | undefined)?.settings
}

function nodeOf(life: string | null): string | undefined {
  return life?.split('.')[0]
}

function isEnd(state: OccurrenceState): boolean {
  return state === 'skipped' || state === 'canceled' || state === 'missed'
}

function text(at: number | null): string {
  return at === null ? 'none' : new Date(at).toISOString().slice(11)
}
