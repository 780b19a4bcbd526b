import type { OccurrenceId } from '@jobistemer/core'
import type { HistoryEvent } from '../history/history.ts'
import type { Violation } from './violation.ts'

type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: Kind }>

/** Of `deadAfter`: a node that nobody has heard for longer takes no new work. */
const isolatedAfter = 0.8

interface Life {
  readonly deadAfterMs: number
  heardAt: number | null
  /** What it has asked for, and may ask for again until it is answered. */
  readonly asked: Set<OccurrenceId>
}

/** A node that nobody has heard yet, or for long, asks for no work. */
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
    const message = `${name} asked for work by ${operation}, and had not been heard ${since}`
    this.violations.push({ rule: 'isolated', message, jobId: null, occurrence: ids[0] ?? null, event: index })
  }
}
