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
      if (JobistemerError.isInstance(error)) throw error
      throw invalid(method, `throws ${printValue(error instanceof Error ? error.message : error)}`, at, error)
    }
    const isInstant = slot !== null && Number.isSafeInteger(slot) && isInstantMs(slot)
    if (slot === null || ((method === 'nextMs' ? slot > at : slot < at) && isInstant)) return slot
    throw invalid(method, `returns ${String(slot)}`, at, slot)
  }
}

function invalid(method: keyof SlotSeries, what: string, at: number, value: unknown): JobistemerError {
  const [side, rule] = method === 'nextMs' ? ['after', 'a later instant'] : ['before', 'an earlier instant']
  return new JobistemerError('INVALID_SCHEDULE', {
    message: `The schedule's ${method} ${what} for the slot ${side} ${at}.`,
    field: 'schedule',
    value,
    remedy: `Return ${rule} in whole epoch milliseconds, or null if there is no slot.`,
    ...(value instanceof Error && { cause: value }),
  })
}
