import type { CalendarDay, RandomExpression } from './random-expression.ts'
import { localTimeAt } from './reference-zone.ts'

const day = 86_400

/** The rules that determine the instants of local times that the clock skips or shows twice. */
export interface Rules {
  readonly gap: 'shift' | 'skip'
  readonly fold: 'first' | 'last' | 'both'
}

/**
 * Returns all instants of an expression in `[from, to)`, in seconds. Asks Intl for the instants of every local time
 * that matches.
 */
export function bruteForce(
  expression: RandomExpression,
  timezone: string,
  rules: Rules,
  from: number,
  to: number,
): number[] {
  const local = (second: number): number => localTimeAt(timezone, second)
  const instants = new Set<number>()
  const offsets = new Set<number>()
  for (let second = from - 2 * day; second < to + 2 * day; second += 3600) offsets.add(local(second) - second)
  const firstLocal = from + Math.min(...offsets)
  const lastLocal = to + Math.max(...offsets)
  for (let date = Math.floor(firstLocal / day); date <= Math.floor(lastLocal / day); date++) {
    const calendarDay = calendarDayOf(date)
    for (let secondOfDay = 0; secondOfDay < day; secondOfDay++) {
      if (!expression.names(calendarDay, secondOfDay)) continue
      const time = date * day + secondOfDay
      if (time < firstLocal || time > lastLocal) continue
      for (const instant of instantsOf(time, local, offsets, rules))
        if (instant >= from && instant < to) instants.add(instant)
    }
  }
  return [...instants].sort((left, right) => left - right)
}

function instantsOf(
  time: number,
  local: (second: number) => number,
  offsets: ReadonlySet<number>,
  rules: Rules,
): number[] {
  const shown = [...offsets]
    .map((offset) => time - offset)
    .filter((instant) => local(instant) === time)
    .sort((left, right) => left - right)
  if (shown.length === 0) return rules.gap === 'shift' ? [endOfGap(time, local)] : []
  if (rules.fold === 'both') return shown
  return [(rules.fold === 'first' ? shown[0] : shown.at(-1)) as number]
}

/** Returns the first instant after the gap that contains this skipped local time. */
function endOfGap(time: number, local: (second: number) => number): number {
  let low = time - 1.5 * day
  let high = time + 1.5 * day
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (local(middle) < time) low = middle
    else high = middle
  }
  return high
}

function calendarDayOf(date: number): CalendarDay {
  const at = new Date(date * day * 1000)
  return {
    year: at.getUTCFullYear(),
    month: at.getUTCMonth() + 1,
    day: at.getUTCDate(),
    weekday: at.getUTCDay(),
    daysInMonth: new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate(),
  }
}
