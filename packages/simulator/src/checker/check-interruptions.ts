import type { OccurrenceId } from '@jobistemer/core'
import type { HistoryEvent } from '../history/history.ts'
import type { StorageModel } from './check-storage.ts'
import type { OccurrenceModel } from './job-model.ts'
import type { Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

interface OpenHandler {
  readonly id: OccurrenceId
  /**
   * Number of occurrences that have had this id so far, from 1. If a request key is used again after its record was
   * removed, the new occurrence has the same id.
   */
  readonly generation: number
  readonly token: number
  readonly task: string
  readonly life: string
  /** The reason with which the engine aborted the handler; `null` while the engine has not aborted the handler. */
  told: string | null
}

/** Abort reasons after which another node continues the occurrence. `null`: the handler was not aborted. */
const handOvers: readonly (string | null)[] = [null, 'shutdown', 'lost']

/**
 * Checks occurrences that were created under a version with `onInterrupted: 'fail'`. After a handler of such an occurrence was
 * interrupted, no node may call a handler of this occurrence. A handler is interrupted if its node dies or is cut off, or if
 * a shutdown aborts the handler before it completes.
 */
export class InterruptionModel {
  readonly violations: Violation[] = []
  readonly #storage: StorageModel
  readonly #open = new Map<string, OpenHandler>()
  /** Interrupted occurrences, with the kind of interruption. */
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

  /**
   * Looks for a running handler of the same occurrence whose token is older. The start of the new handler shows that the older
   * handler was cut off. Ignores handlers that the engine has aborted for a reason outside of `handOvers`. Returns a
   * description of the older handler, or `undefined` if there is none.
   */
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
    if (isStopped && event.how !== 'succeeded') this.#note(handler, `the engine stopped this handler: ${handler.told}`)
  }

  #nodeGone({ life }: EventOf<'node.crashed' | 'node.down'>, how: string): void {
    for (const [key, handler] of this.#open) {
      if (handler.life !== life) continue
      this.#open.delete(key)
      // The engine also aborts handlers for reasons outside of `handOvers`, such as a cancellation. The storage may then have
      // settled the run before its node ended. So such a handler does not count as interrupted.
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

/**
 * Returns whether the token belongs to an earlier occurrence with the same id, which this node owned. The storage rejects the
 * next call of this node.
 */
function isOfEarlierLife(occurrence: OccurrenceModel, token: number, life: string): boolean {
  return occurrence.life !== life && occurrence.earlierOwners.has(`${token} ${life}`)
}

function keyOf(event: Pick<EventOf<'handler.ended'>, 'life' | 'id' | 'task' | 'attempt' | 'token'>): string {
  return `${event.life} ${event.id} ${event.task} ${event.attempt} ${event.token}`
}
