import type { OccurrenceId } from '@jobistemer/core'
import type { HistoryEvent } from '../history/history.ts'
import type { Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

/** Share of `deadAfter` after which a node without an accepted heartbeat takes no new work. */
const isolatedAfter = 0.8

interface Life {
  readonly deadAfterMs: number
  heardAt: number | null
  /**
   * Occurrences that this node has asked the storage to create and start. If no answer arrives, the node may repeat its call,
   * which then is no new request for work.
   */
  readonly asked: Set<OccurrenceId>
}

/** Checks that a node requests no work before its first heartbeat, or while the storage rejects its heartbeats. */
export class IsolationModel {
  readonly violations: Violation[] = []
  readonly #lives = new Map<string, Life>()

  follow(event: HistoryEvent, index: number): void {
    const life = this.#lives.get(event.life ?? '')
    switch (event.kind) {
      case 'node.starting':
        this.#lives.set(event.life as string, { deadAfterMs: event.deadAfterMs, heardAt: null, asked: new Set() })
        return
      case 'heartbeat':
        if (life !== undefined) life.heardAt = event.mono
        return
      case 'work.asked':
        if (life !== undefined) this.#asked(life, event, index)
    }
  }

  #asked(life: Life, { life: name, operation, ids, mono }: EventOf<'work.asked'>, index: number): void {
    const isNew = operation === 'claim' || ids.some((id) => !life.asked.has(id))
    for (const id of ids) life.asked.add(id)
    const { heardAt, deadAfterMs } = life
    if (!isNew || (heardAt !== null && mono - heardAt <= isolatedAfter * deadAfterMs)) return
    const since = heardAt === null ? 'at all' : `for ${mono - heardAt} ms`
    const message = `${name} requested work by ${operation} without an accepted heartbeat ${since}`
    this.violations.push({ rule: 'isolated', message, jobId: null, occurrence: ids[0] ?? null, event: index })
  }
}
