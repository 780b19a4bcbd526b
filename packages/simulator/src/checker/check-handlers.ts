import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { HistoryEvent } from '../history/history.ts'
import type { StorageModel } from './check-storage.ts'
import type { Rule, Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

interface OpenHandler {
  readonly id: OccurrenceId
  readonly jobId: JobId
  readonly token: number
  /**
   * Number of occurrences that have had this id so far, from 1. If a request key is used again after its record was
   * removed, the new occurrence has the same id.
   */
  readonly generation: number
  readonly life: string
  readonly task: string
}

/** Compares what handlers saw with the model of the storage at the same moment. */
export class HandlerModel {
  readonly violations: Violation[] = []
  readonly #storage: StorageModel
  readonly #started = new Map<string, string>()
  readonly #open = new Map<string, OpenHandler>()
  /** By request: the id of its occurrence, and how many occurrences have had this id. */
  readonly #requests = new Map<string, { readonly id: OccurrenceId; readonly generation: number }>()
  /** Ended node incarnations, with the reason of the end. */
  readonly #gone = new Map<string, string>()
  #index = 0

  constructor(storage: StorageModel) {
    this.#storage = storage
  }

  follow(event: HistoryEvent, index: number): void {
    this.#index = index
    switch (event.kind) {
      case 'handler.started':
        this.#handlerStarted(event)
        return
      case 'handler.ended':
        this.#open.delete(keyOf(event, event.life))
        return
      case 'node.crashed':
      case 'node.down':
        this.#nodeGone(event)
        return
      case 'late call':
        this.#note('shutdown', null, null, `${event.life} was shut down, and called ${event.operation}`)
        return
      case 'failure':
        this.#note('failure', null, null, `${event.life}: ${event.where}: ${event.message}`)
    }
  }

  #note(rule: Rule, jobId: JobId | null, occurrence: OccurrenceId | null, message: string): void {
    this.violations.push({ rule, message, jobId, occurrence, event: this.#index })
  }

  #handlerStarted(event: EventOf<'handler.started'>): void {
    const { id, jobId, task, attempt, token, jobVersion } = event
    const life = event.life as string
    const gone = this.#gone.get(life)
    if (gone !== undefined) this.#note('unfounded start', jobId, id, `${life} started ${task} after it was ${gone}`)
    const occurrence = this.#storage.occurrences.get(id)
    if (occurrence === undefined) {
      this.#note('unfounded start', jobId, id, `${life} started an occurrence that no call created`)
      return
    }
    // The node owned an earlier occurrence with the same id, and was frozen while a new occurrence received this id. The
    // storage will reject the node's next call. So this call of the handler is no violation.
    if (occurrence.life !== life && occurrence.earlierOwners.has(`${token} ${life}`)) return
    this.#checkRequest(event)
    const attemptKey = `${id} ${occurrence.generation} ${task} ${attempt}`
    const earlier = this.#started.get(attemptKey)
    if (earlier !== undefined) {
      this.#note('started twice', jobId, id, `attempt ${attempt} of ${task} started on ${earlier} and on ${life}`)
    }
    this.#started.set(attemptKey, life)
    if (token > occurrence.token || (token === occurrence.token && occurrence.life !== life)) {
      this.#note(
        'unfounded start',
        jobId,
        id,
        `${life} has token ${token}, ${occurrence.life} was given ${occurrence.token}`,
      )
    }
    const isFounded =
      (occurrence.attempts.get(task) ?? 0) >= attempt || (attempt === 1 && token === occurrence.beginsUnder)
    if (!isFounded) {
      this.#note('unfounded start', jobId, id, `attempt ${attempt} of ${task} was not in the storage`)
    }
    if (event.origin !== occurrence.kind || (event.origin === 'slot' && event.scheduledAt !== occurrence.scheduledAt)) {
      this.#note('unfounded start', jobId, id, `${life} started it as a ${event.origin}, it is a ${occurrence.kind}`)
    }
    if (jobVersion < occurrence.version) {
      this.#note(
        'version',
        jobId,
        id,
        `it runs under version ${jobVersion}, and was created under ${occurrence.version}`,
      )
    }
    const { generation } = occurrence
    this.#checkOverlap({ id, jobId, token, generation, life, task })
    this.#open.set(keyOf(event, life), { id, jobId, token, generation, life, task })
  }

  #checkRequest({ request, id, jobId, life }: EventOf<'handler.started'>): void {
    if (request === null) return
    const ranAs = this.#requests.get(request)
    if (ranAs === undefined || (ranAs.id !== id && this.#isForgotten(ranAs))) {
      this.#requests.set(request, { id, generation: this.#storage.occurrences.get(id)?.generation ?? 0 })
    } else if (ranAs.id !== id) {
      this.#note('request', jobId, id, `${life} runs ${request}, which ran as ${ranAs.id}`)
    }
  }

  /** Returns whether the record of a request's occurrence was removed. */
  #isForgotten({ id, generation }: { readonly id: OccurrenceId; readonly generation: number }): boolean {
    const occurrence = this.#storage.occurrences.get(id)
    return occurrence === undefined || occurrence.generation !== generation || this.#storage.mayBeGone(occurrence)
  }

  #checkOverlap(started: OpenHandler): void {
    const isLive = this.#isLive(started)
    const others = new Map<OccurrenceId, OpenHandler>()
    for (const other of this.#open.values()) {
      if (other.jobId !== started.jobId || isSameRun(other, started)) continue
      // Tasks of jobs that allow overlap ignore their abort signal, so a task may continue after its owner has lost the run.
      if (this.#storage.jobs.get(started.jobId)?.overlaps === true) continue
      // A former owner continues until it notices the takeover. The former owner may still start an attempt that the
      // storage acknowledged before the takeover.
      if (this.#wasTaken(other) || (!isLive && this.#wasTaken(started))) continue
      others.set(other.id, other)
    }
    if (others.size < (this.#storage.jobs.get(started.jobId)?.mostPlaces ?? 1)) return
    for (const { life, task, id } of others.values()) {
      this.#note(
        'overlap',
        started.jobId,
        started.id,
        `${started.life} started it while ${task} of ${id} ran on ${life}`,
      )
    }
  }

  #isLive({ id, token, generation }: OpenHandler): boolean {
    const occurrence = this.#storage.occurrences.get(id)
    return occurrence?.running === true && occurrence.token === token && occurrence.generation === generation
  }

  #wasTaken({ id, token, generation }: OpenHandler): boolean {
    const occurrence = this.#storage.occurrences.get(id)
    // If the id now belongs to a newer occurrence, the occurrence of this handler has ended. Other checks cover that end. So
    // here the handler counts as taken over.
    return occurrence?.generation !== generation || occurrence.taken.has(token)
  }

  #nodeGone({ kind, life }: EventOf<'node.crashed' | 'node.down'>): void {
    if (life === null) return
    this.#gone.set(life, kind === 'node.down' ? 'shut down' : 'dead')
    // The process of this node has ended, and so have all its handlers. This includes handlers that exceeded the grace period
    // of a shutdown.
    for (const [key, open] of this.#open) if (open.life === life) this.#open.delete(key)
  }
}

function isSameRun(one: OpenHandler, other: OpenHandler): boolean {
  return one.id === other.id && one.token === other.token && one.generation === other.generation
}

function keyOf(
  handler: { readonly id: OccurrenceId; readonly task: string; readonly attempt: number; readonly token: number },
  life: string | null,
): string {
  return `${life} ${handler.id} ${handler.task} ${handler.attempt} ${handler.token}`
}
