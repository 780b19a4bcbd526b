import type { HistoryLine } from '../record/history.ts'
import { groupBy } from './group-by.ts'
import type { RunClocks } from './run-clocks.ts'

// Number of clock readings for one measurement. The engine uses the reading with the shortest round trip.
const readingsPerMeasurement = 3

/** A value in ms, with the monotonic time from which the value is valid. */
interface Since {
  readonly mono: number
  readonly ms: number
}

/** The clock offsets of the engines of a run, and their maximum errors. */
export class EngineClocks {
  /** Maximum time, in ms, by which an engine's time may be ahead of the machine's time. */
  readonly aheadMs: number
  /** Maximum time, in ms, by which an engine's time may be behind the machine's time. */
  readonly behindMs: number
  /**
   * Whether the times of the engines differ by more than the uncertainty of these times. If they do, one engine may
   * consider an occurrence overdue although another engine has just started it.
   */
  readonly disagree: boolean
  /** The duration of the slowest reading of the storage's clock that an engine used, in ms. */
  readonly slowestReadingMs: number
  readonly #source: RunClocks['source']
  readonly #offsets: ReadonlyMap<string, readonly Since[]>
  readonly #tolerances: ReadonlyMap<string, readonly Since[]>

  constructor(clocks: RunClocks, history: readonly HistoryLine[]) {
    this.#source = clocks.source
    this.#offsets = groupByLife(
      history.filter((line) => line.event === 'clock'),
      (lines) => lines.map(({ mono, offsetMs }) => ({ mono, ms: offsetMs })),
    )
    const readings = history.filter((line) => line.event === 'clock-read')
    this.#tolerances = groupByLife(readings, tolerancesOf)
    const tolerances = [...this.#tolerances.values()].flat().map(({ ms }) => ms)
    const toleranceMs = tolerances.reduce((largest, one) => Math.max(largest, one), 0)
    this.slowestReadingMs = toleranceMs
    this.aheadMs = clocks.aheadMs + toleranceMs
    this.behindMs = clocks.behindMs + toleranceMs
    this.disagree = clocks.source === 'process' && (clocks.aheadMs > 0 || clocks.behindMs > 0)
  }

  /**
   * Returns the maximum error of an engine's time at a monotonic time, in ms. The slower the readings of the storage's
   * clock were, the greater is this error.
   */
  toleranceMs(life: string, mono: number): number {
    return at(this.#tolerances.get(life), mono)?.ms ?? 0
  }

  /**
   * Returns how far the engine's time in a process is ahead of the machine's time, in ms. If `mono` is a number, returns
   * this lead at this monotonic time. If `mono` is `latest`, returns the largest lead in the life of the process, at least
   * 0.
   */
  offsetMs(life: string, mono: number | 'latest'): number {
    if (this.#source === 'storage') return 0
    const offsets = this.#offsets.get(life) ?? []
    return mono === 'latest' ? Math.max(0, ...offsets.map(({ ms }) => ms)) : (at(offsets, mono)?.ms ?? 0)
  }
}

function at(values: readonly Since[] | undefined, mono: number): Since | undefined {
  return values?.findLast((value) => value.mono <= mono)
}

/**
 * Returns the tolerance after each measurement, in ms: twice the uncertainty of the measurement's best reading.
 *
 * - The uncertainty of a reading is half of its round trip plus the clock's resolution.
 * - The engine uses the clock of its own process if clock and reading differ by at most the uncertainty.
 *
 * So the error of the engine's time can be twice the uncertainty.
 */
function tolerancesOf(readings: readonly Extract<HistoryLine, { readonly event: 'clock-read' }>[]): readonly Since[] {
  const tolerances: Since[] = []
  for (let end = readingsPerMeasurement; end <= readings.length; end += readingsPerMeasurement) {
    const measurement = readings.slice(end - readingsPerMeasurement, end)
    const uncertainties = measurement.map(({ mono, sentAt, resolutionMs }) => (mono - sentAt) / 2 + resolutionMs)
    tolerances.push({ mono: measurement.at(-1)?.mono ?? 0, ms: 2 * Math.min(...uncertainties) })
  }
  return tolerances
}

function groupByLife<Line extends { readonly life: string }>(
  lines: readonly Line[],
  valuesOf: (lines: readonly Line[]) => readonly Since[],
): ReadonlyMap<string, readonly Since[]> {
  return new Map([...groupBy(lines, (line) => line.life)].map(([life, group]) => [life, valuesOf(group)]))
}
