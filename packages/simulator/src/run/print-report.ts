import type { Violation } from '../checker/violation.ts'
import type { SimulatorOptions } from './simulator-options.ts'
import type { Totals } from './totals.ts'

/** Prints the violations of a seed, and the command that repeats the simulation of this seed. */
export function printFailure(
  seed: number,
  violations: readonly Violation[],
  how: Pick<SimulatorOptions, 'sabotage' | 'onlyOutages' | 'calls' | 'places'>,
): string {
  const most = 10
  const lines = violations.slice(0, most).map(({ rule, message, occurrence, jobId, event }) => {
    const where = event === null ? 'in the end' : `at event ${event}`
    return `  ${rule}, ${where}, ${occurrence ?? jobId ?? 'no job'}: ${message}`
  })
  if (violations.length > most) lines.push(`  and ${violations.length - most} more`)
  const options = [
    ...(how.onlyOutages ? ['--outages'] : []),
    ...(how.calls ? ['--calls'] : []),
    ...(how.places ? ['--places'] : []),
    ...(how.sabotage === null ? [] : ['--sabotage', how.sabotage]),
  ]
  return [
    `seed ${seed} breaks ${violations.length} promises:`,
    ...lines,
    `  ${[replayHint(seed), ...options].join(' ')}`,
  ].join('\n')
}

function replayHint(seed: number): string {
  return `Replay it: npm run simulate -- --seed ${seed} --verbose`
}

export function printTotals(totals: Totals, seconds: number): string {
  const { seeds, virtualMs, storageCalls, faults, occurrences } = totals
  return [
    `${seeds} seeds in ${seconds.toFixed(1)} s: ${(virtualMs / 3_600_000).toFixed(1)} virtual hours, ${storageCalls} storage calls`,
    `faults: ${printCounts(faults)}`,
    `occurrences in the end: ${printCounts(occurrences)}`,
  ].join('\n')
}

function printCounts(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).sort(([, one], [, other]) => other - one)
  return entries.length === 0 ? 'none' : entries.map(([name, count]) => `${count} ${name}`).join(', ')
}
