import type { CompletionReport } from './completions.ts'

const shown = 20

/** Formats the progress of a long run as one line. */
export function printStage({ tally, plays, kills, seconds, violations }: CompletionReport): string {
  const { tries, committed, refused, unanswered, unansweredHeld, late, overtaken, faults } = tally
  return (
    `${tries} tries (${Math.round(tries / seconds)}/s), ${plays} plays, ${committed} committed, ${refused} refused, ` +
    `${unanswered} unanswered (${unansweredHeld} held), ${late} late (${overtaken} overtaken), ` +
    `${sum(faults)} faults, ${kills} kills, ${violations.length} violations`
  )
}

/** Formats the report as text for people. */
export function printCompletions(report: CompletionReport): string {
  const { faults, points } = report.tally
  const counts = Object.entries(faults).sort(([left], [right]) => (left < right ? -1 : 1))
  const lines = [
    printStage(report),
    `faults came at ${Object.keys(points).length} points:`,
    ...counts.map(([name, count]) => `  ${name.padEnd(26)} ${count}, in ${statementsOf(name, points)}`),
  ]
  const { violations } = report
  if (violations.length === 0) return [...lines, 'No violation.'].join('\n')
  return [...lines, `${violations.length} violations:`, ...violations.slice(0, shown).map((line) => `  ${line}`)].join(
    '\n',
  )
}

function statementsOf(fault: string, points: Readonly<Record<string, number>>): string {
  const own = Object.entries(points).filter(([point]) => point.startsWith(`${fault}: `))
  return own.map(([point, count]) => `${point.slice(fault.length + 2)} ${count}`).join(', ')
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
