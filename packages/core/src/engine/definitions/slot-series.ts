import { JobistemerError, printValue } from '../../errors.ts'
import { isInstantMs } from '../../instant.ts'

/** The slots of a job, as its schedules define them. */
export interface SlotSeries {
  /** Returns the first slot strictly after the instant, in epoch milliseconds. `null`: no slot follows. */
  nextMs(afterMs: number): number | null
  /** Returns the last slot strictly before the instant, in epoch milliseconds. `null`: no slot precedes. */
  previousMs(beforeMs: number): number | null
}

const checked = new WeakMap<SlotSeries, SlotSeries>()

/**
 * Returns a series that checks every answer of the given series. The next slot must lie after the given instant, and
 * the previous slot before the given instant. A series that breaks this rule would block the node forever. A wrong
 * answer, and an error that the given series throws, becomes a JobistemerError `INVALID_SCHEDULE`.
 */
export function checkedSeries(series: SlotSeries): SlotSeries {
  const known = checked.get(series)
  if (known !== undefined) return known
  const made = new CheckedSeries(series)
  checked.set(series, made)
  return made
}

class CheckedSeries implements SlotSeries {
  readonly #series: SlotSeries

  constructor(series: SlotSeries) {
    this.#series = series
  }

  nextMs(afterMs: number): number | null {
    return this.#checked('nextMs', afterMs)
  }

  previousMs(beforeMs: number): number | null {
    return this.#checked('previousMs', beforeMs)
  }

  #checked(method: keyof SlotSeries, at: number): number | null {
    let slot: number | null
    try {
      slot = this.#series[method](at)
    } catch (error) {
      throw thrown(method, error)
    }
    const isInstant = slot !== null && Number.isSafeInteger(slot) && isInstantMs(slot)
    if (slot === null || ((method === 'nextMs' ? slot > at : slot < at) && isInstant)) return slot
    throw wrong(method, at, slot)
  }
}

function thrown(method: string, error: unknown): unknown {
  if (JobistemerError.isInstance(error)) return error
  return new JobistemerError('INVALID_SCHEDULE', {
    message: `The schedule's ${method} throws: ${printValue(error instanceof Error ? error.message : error)}.`,
    field: 'schedule',
    value: error,
    remedy: 'Return an instant in epoch milliseconds, or null if there is no slot.',
    cause: error,
  })
}

function wrong(method: keyof SlotSeries, at: number, answer: unknown): JobistemerError {
  const [side, rule] = method === 'nextMs' ? ['after', 'a later instant'] : ['before', 'an earlier instant']
  return new JobistemerError('INVALID_SCHEDULE', {
    message: `The schedule's ${method} returns ${String(answer)} for the slot ${side} ${at}.`,
    field: 'schedule',
    value: answer,
    remedy: `Return ${rule} in whole epoch milliseconds, or null if there is no slot.`,
  })
}
