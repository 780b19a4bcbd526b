import type { OccurrenceId } from '@jobistemer/core'
import type {
  CancelAnswer,
  CancelOccurrencesRequest,
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateOccurrencesRequest,
  GetAnswer,
  HeartbeatRequest,
  JobChange,
  JobRecord,
  OccurrenceQuery,
  OccurrenceRecord,
  Page,
  PruneAnswer,
  PruneRequest,
  ReapAnswer,
  ReapRequest,
  SaveJobAnswer,
  SaveJobsRequest,
  SettleAnswer,
  SettleRequest,
  Storage,
} from '@jobistemer/core/storage'
import { type StorageCall, wrapStorage } from '@jobistemer/core/testing'
import type { History } from '../history/history.ts'

/** The node incarnation whose storage calls are recorded. */
export interface RecordedLife {
  readonly name: string
  readonly starting: boolean
}

/** Wraps the storage and records the effects of calls, even if the caller never receives an answer. */
export function recordingStorage(target: Storage, history: History, life: RecordedLife): Storage {
  const recorder = new Recorder(history, life)
  return wrapStorage(target, {
    async around(call) {
      const answer = await call.proceed()
      recorder.record(call.method, call.request as never, answer)
      return answer
    },
  })
}

class Recorder {
  readonly #history: History
  readonly #life: RecordedLife

  constructor(history: History, life: RecordedLife) {
    this.#history = history
    this.#life = life
  }

  record(operation: StorageCall['method'], request: never, answer: unknown): void {
    switch (operation) {
      case 'saveJobs':
        this.#saved(request, answer as readonly SaveJobAnswer[])
        return
      case 'createOccurrences':
        this.#created(request, answer as readonly CreateAnswer[])
        return
      case 'heartbeat':
        this.#heard(request)
        return
      case 'claim':
        this.#claimed(request, answer as ClaimAnswer)
        return
      case 'settle':
        this.#settled(request, answer as readonly SettleAnswer[])
        return
      case 'cancel':
        this.#canceled(request, answer as readonly CancelAnswer[])
        return
      case 'reap':
        this.#reaped(request, answer as readonly ReapAnswer[])
        return
      case 'prune':
        this.#pruned(request, answer as PruneAnswer)
        return
      case 'get':
        for (const head of (answer as GetAnswer).jobs) if (head !== null) this.#head(head)
        return
      case 'listJobs':
        for (const head of (answer as Page<JobRecord>).items) this.#head(head)
        return
      case 'listOccurrences':
        this.#sought(request)
    }
  }

  #add(event: Parameters<History['add']>[1]): void {
    this.#history.add(this.#life.name, event)
  }

  #head({ id, watermark, nextAt, pruneFloor }: JobRecord): void {
    this.#add({ kind: 'head', jobId: id, watermark, nextAt, pruneFloor })
  }

  #saved({ changes }: SaveJobsRequest, answers: readonly SaveJobAnswer[]): void {
    for (const [index, change] of changes.entries()) {
      const answer = answers[index] as SaveJobAnswer
      if (answer.outcome === 'saved') {
        const canceled = answer.canceled.map(({ id }) => id)
        const { starting } = this.#life
        const setBackTo = change.kind === 'replace' ? (change.setBackTo ?? null) : null
        this.#add({ kind: 'job.saved', change: nameOf(change), head: answer.job, canceled, starting, setBackTo })
      } else if (answer.outcome !== 'absent') this.#head(answer.job)
    }
  }

  #created({ now, items }: CreateOccurrencesRequest, answers: readonly CreateAnswer[]): void {
    for (const [index, item] of items.entries()) {
      const answer = answers[index] as CreateAnswer
      const { jobId } = item
      if (answer.outcome === 'exists' || answer.outcome === 'off_schedule') {
        const { watermark, nextAt } = answer
        this.#add({ kind: 'head', jobId, watermark, nextAt, pruneFloor: null })
      }
      if (answer.outcome !== 'created') continue
      if (item.kind === 'recovery') {
        const { jobVersion, expectedWatermark, watermark, nextAt, entries } = item
        this.#add({ kind: 'recovered', jobId, jobVersion, expectedWatermark, watermark, nextAt, entries, now })
      } else {
        const { state, reason, token } = answer
        const displaced = idsOf(answer.displaced)
        this.#add({ kind: 'created', item, state, reason, token, now, displaced })
      }
    }
  }

  #heard({ own }: HeartbeatRequest): void {
    if (own === null) return
    const { incarnation, counter, leaving, about } = own
    // The call writes the death record of another node. Such a call is not recorded as a heartbeat.
    if (about.dead !== undefined) return
    const callEndsAt = typeof about.callEndsAt === 'number' ? about.callEndsAt : null
    this.#add({ kind: 'heartbeat', incarnation, counter, callEndsAt, leaving, ended: about.ended === true })
  }

  #claimed({ now }: ClaimRequest, { claimed }: ClaimAnswer): void {
    this.#granted(now, claimed)
  }

  #granted(now: number, records: readonly OccurrenceRecord[]): void {
    for (const { id, jobId, token, jobVersion, dueAt, executionTimeoutMs, runs } of records) {
      this.#add({ kind: 'claimed', id, jobId, token, jobVersion, dueAt, executionTimeoutMs, runs, now })
    }
  }

  #settled({ now, items }: SettleRequest, answers: readonly SettleAnswer[]): void {
    for (const [index, { id, jobId, token, sequence, runs, change }] of items.entries()) {
      const answer = answers[index]
      if (answer?.outcome !== 'ok') continue
      const state = change.kind === 'finish' ? change.state : null
      this.#add({ kind: 'settled', id, jobId, token, sequence, change: change.kind, state, runs, now })
      if (answer.taken !== undefined) this.#granted(now, [answer.taken])
    }
  }

  #canceled({ items }: CancelOccurrencesRequest, answers: readonly CancelAnswer[]): void {
    for (const [index, { id, jobId }] of items.entries()) {
      if (answers[index]?.outcome === 'canceled') this.#add({ kind: 'canceled', id, jobId })
    }
  }

  #reaped({ now, items }: ReapRequest, answers: readonly ReapAnswer[]): void {
    for (const [index, { id, jobId, token, action, reason, runs }] of items.entries()) {
      if (answers[index]?.outcome === 'reaped')
        this.#add({ kind: 'reaped', id, jobId, token, action, reason, runs, now })
    }
  }

  #sought(query: OccurrenceQuery): void {
    if (query.kind !== 'live' || query.deadlineBefore === undefined) return
    this.#add({ kind: 'overdue.sought', deadlineBefore: query.deadlineBefore })
  }

  #pruned({ jobId, before }: PruneRequest, { removed }: PruneAnswer): void {
    // Records the prune even if it removed no occurrence, because the prune may have removed an old tombstone.
    this.#add({ kind: 'pruned', jobId, before, removed })
  }
}

function nameOf(change: JobChange): 'create' | 'replace' | 'pause' | 'resume' | 'delete' {
  if (change.kind !== 'pause') return change.kind
  return change.paused === null ? 'resume' : 'pause'
}

function idsOf(addresses: readonly { readonly id: OccurrenceId }[]): readonly OccurrenceId[] {
  return addresses.map(({ id }) => id)
}
