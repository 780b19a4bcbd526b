import type { HistoryLine } from '../record/history.ts'
import { groupBy } from './group-by.ts'
import type { RunClocks } from './run-clocks.ts'

// An engine reads the storage's clock so often for one measurement, and takes the quickest reading.
const readingsPerMeasurement = 3

/** From a monotonic time on. */
interface Since {
  readonly mono: number
  readonly ms: number
}

/** What time the engines of a run had, and how far it may have been off. */
export class EngineClocks {
  /** By how much any engine's time may have been ahead of the machine's, and behind it. */
  readonly aheadMs: number
  readonly behindMs: number
  /**
   * Engines disagree about the time by more than they can know: what one of them has just begun may be overdue for
   * another.
   */
  readonly disagree: boolean
  /** The slowest reading of the storage's clock that an engine relied on. */
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

  /** By how much a process's time may be off what it should be, at a monotonic time. */
  toleranceMs(life: string, mono: number): number {
    return at(this.#tolerances.get(life), mono)?.ms ?? 0
  }

  /**
   * By how much the time of a process's engine should be ahead of the machine's at a monotonic time; `latest`: at most,
   * in its whole life.
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
 * The time lies between a reading's request and its answer, to within the clock's resolution. Where a process's own
 * clock is no further off than that, the engine follows it: then it is off by as much again.
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
