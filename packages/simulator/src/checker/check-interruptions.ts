import type { OccurrenceId } from '@jobistemer/core'
import type { HistoryEvent } from '../history/history.ts'
import type { StorageModel } from './check-storage.ts'
import type { OccurrenceModel } from './job-model.ts'
import type { Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

interface OpenHandler {
  readonly id: OccurrenceId
  /** Which life of its id it belongs to. */
  readonly generation: number
  readonly token: number
  readonly task: string
  readonly life: string
  /** Why it was told to stop. */
  told: string | null
}

/** Reasons that end nothing but the work of this node on it. */
const handOvers: readonly (string | null)[] = [null, 'shutdown', 'lost']

/**
 * Under `onInterrupted: 'fail'`, by the version that an occurrence was created under: once a handler of it was
 * interrupted, none of its handlers is called any more. Interrupted is what its node did not see to its end, because it
 * died or was cut off, and what a shutdown told to stop, unless it completed all the same.
 */
export class InterruptionModel {
  readonly violations: Violation[] = []
  readonly #storage: StorageModel
  readonly #open = new Map<string, OpenHandler>()
  /** What was interrupted of occurrences, and how. */
  readonly #interrupted = new Map<string, string>()

  constructor(storage: StorageModel) {
    this.#storage = storage
  }

  follow(event: HistoryEvent, index: number): void {
    switch (event.kind) {
      case 'handler.started':
        this.#started(event, index)
        return
      case 'handler.told': {
        const handler = this.#open.get(keyOf(event))
        if (handler !== undefined) handler.told ??= event.reason
        return
      }
      case 'handler.ended':
        this.#ended(event)
        return
      case 'node.crashed':
        this.#nodeGone(event, 'its node died')
        return
      case 'node.down':
        this.#nodeGone(event, 'its node went down')
    }
  }

  #started(event: EventOf<'handler.started'>, index: number): void {
    const { id, jobId, task, token } = event
    const life = event.life as string
    const occurrence = this.#storage.occurrences.get(id)
    if (occurrence === undefined || isOfEarlierLife(occurrence, token, life)) return
    const { generation, failsInterrupted } = occurrence
    if (!failsInterrupted) return
    const interruption = this.#interrupted.get(`${id} ${generation}`) ?? this.#cutOff({ id, generation, token })
    if (interruption !== undefined) {
      const message = `${life} called ${task} under token ${token}, and ${interruption}`
      this.violations.push({ rule: 'interrupted', message, jobId, occurrence: id, event: index })
    }
    this.#open.set(keyOf(event), { id, generation, token, task, life, told: null })
  }

  /** A handler that still runs under an earlier token, on a node that has not noticed. */
  #cutOff(started: Pick<OpenHandler, 'id' | 'generation' | 'token'>): string | undefined {
    for (const { id, generation, token, task, life, told } of this.#open.values()) {
      if (id !== started.id || generation !== started.generation || token >= started.token) continue
      if (handOvers.includes(told)) return `${task} still ran on ${life} under token ${token}`
    }
    return undefined
  }

  #ended(event: EventOf<'handler.ended'>): void {
    const handler = this.#open.get(keyOf(event))
    if (handler === undefined) return
    this.#open.delete(keyOf(event))
    const isStopped = handler.told !== null && handOvers.includes(handler.told)
    if (isStopped && event.how !== 'succeeded') this.#note(handler, `it was told to stop: ${handler.told}`)
  }

  #nodeGone({ life }: EventOf<'node.crashed' | 'node.down'>, how: string): void {
    for (const [key, handler] of this.#open) {
      if (handler.life !== life) continue
      this.#open.delete(key)
      // What was told to stop for another reason may have been given up, and judged, before.
      if (handOvers.includes(handler.told)) this.#note(handler, how)
    }
  }

  #note({ id, generation, task, life, token }: OpenHandler, how: string): void {
    const key = `${id} ${generation}`
    if (!this.#interrupted.has(key)) {
      this.#interrupted.set(key, `${task} was interrupted on ${life} under token ${token}: ${how}`)
    }
  }
}

/** Given to it in an earlier life of this id: it finds out at the next thing that it says. */
function isOfEarlierLife(occurrence: OccurrenceModel, token: number, life: string): boolean {
  return occurrence.life !== life && occurrence.earlierOwners.has(`${token} ${life}`)
}

function keyOf(event: Pick<EventOf<'handler.ended'>, 'life' | 'id' | 'task' | 'attempt' | 'token'>): string {
  return `${event.life} ${event.id} ${event.task} ${event.attempt} ${event.token}`
}
