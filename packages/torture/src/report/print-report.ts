import { groupBy } from '../checker/group-by.ts'
import { printViolation, type Violation } from '../checker/violation.ts'
import type { TortureReport } from './torture-report.ts'

const shownPerRule = 5

/** Formats the report as text for people. */
export function printReport({ options, figures, violations, folder, log }: TortureReport): string {
  const { storage, nodes, seed, clockSkew, sabotage } = options
  const row = (name: string, value: string | number): string => `  ${name.padEnd(16)} ${value}`
  const lines = [
    `Torture of ${storage} with ${nodes} nodes, seed ${seed}${sabotage === null ? '' : `, sabotage ${sabotage}`}`,
    row(
      'duration',
      `${seconds(figures.seconds)}, of which ${seconds(figures.secondsToRecover)} to recover and ${seconds(figures.secondsToRest)} to come to rest`,
    ),
    row(
      'kills',
      `${figures.kills} of the driver (${figures.blackouts} times all nodes at once), ${figures.crashes} at a named point`,
    ),
    row(
      'processes',
      `${figures.lives} started, ${figures.shutdowns} shut down at work, ${figures.outlived} outlived by a successor`,
    ),
    row('stops', `${figures.shortStops} short, ${figures.longStops} beyond every timeout`),
    row(
      'requests',
      `${figures.triggers} triggers, ${figures.replays} replays, ${figures.cancels} cancels, ${figures.forcedCancels} forced, ${figures.pauses} pauses, ${figures.repeatedRequests} repeated`,
    ),
    row('occurrences', counts(figures.occurrences)),
    row('attempts', counts(figures.attempts)),
    row(
      'handlers',
      `${figures.starts} starts, ${figures.lateStarts} of them by an owner that had been stopped and replaced`,
    ),
    row(
      'reaped',
      `${figures.reapedAsFailed} as failed, ${figures.reapedToRetry} to be run again, ${figures.rescued} rescued`,
    ),
    row('dead nodes', `${figures.nodesLost} occurrences taken over, ${takeovers(figures.takeovers)}`),
    row('missed slots', `${figures.missedSlots} recorded, ${figures.recovered} run by recovery`),
    row('refused writes', figures.refusedWrites),
    row('storage', `calls that failed and were repeated: ${counts(figures.storageFailures)}`),
    row(
      'network',
      `${figures.breaks} times all connections broken, ${figures.lostAnswers} times answers lost, ${figures.cuts} cuts`,
    ),
    row('server restarts', figures.serverRestarts),
    row(
      'losses',
      `${figures.nodesForgotten} times all node records after a kill, ${figures.writesLost} times the last writes`,
    ),
    row(
      'clocks',
      `wrong by up to ${clockSkew} min, set ${figures.jumps} times; engines off by ${ms(figures.clockErrors.aheadMs)} ahead, ${ms(figures.clockErrors.behindMs)} behind at most, ${ms(figures.clockErrors.toleranceMs)} excused by slow readings`,
    ),
    ...(figures.rows === null
      ? []
      : [row('rows', `${figures.rows}, each written in one transaction with the end of its task`)]),
    row('torn lines', figures.tornLines),
  ]
  if (folder !== null) lines.push(row('recording', folder))
  if (violations.length === 0) return [...lines, 'No violation.'].join('\n')
  return [
    ...lines,
    `${violations.length} violations:`,
    ...firstViolations(violations),
    ...(log === null ? [] : ['The last lines of the nodes:', log]),
    `Again: npm run torture -- ${commandLine(options)}`,
  ].join('\n')
}

/** Lists the first violations of each rule, because one fault can cause hundreds of violations. */
function firstViolations(violations: readonly Violation[]): readonly string[] {
  return [...groupBy(violations, (violation) => violation.rule)].flatMap(([rule, group]) => [
    ...group.slice(0, shownPerRule).map((violation) => `  ${printViolation(violation)}`),
    ...(group.length > shownPerRule ? [`  ${rule}: and ${group.length - shownPerRule} more`] : []),
  ])
}

function commandLine(options: TortureReport['options']): string {
  const { storage, nodes, minutes, kills, seed, clockSkew, sabotage, loseWrites } = options
  const words = ['--storage', storage, '--nodes', nodes, '--minutes', minutes, '--kills', kills, '--seed', seed]
  words.push('--clock-skew', clockSkew, ...(loseWrites ? ['--lose-writes'] : []))
  return (sabotage === null ? words : [...words, '--sabotage', sabotage]).join(' ')
}

function takeovers({ count, medianMs, longestMs }: TortureReport['figures']['takeovers']): string {
  if (medianMs === null || longestMs === null) return 'none from a killed process'
  return `${count} from killed processes: after ${ms(medianMs)} (median), ${ms(longestMs)} at most`
}

function counts(record: Readonly<Record<string, number>>): string {
  const entries = Object.entries(record).sort(([, one], [, other]) => other - one)
  const total = entries.reduce((sum, [, count]) => sum + count, 0)
  return total === 0 ? '0' : `${total}: ${entries.map(([name, count]) => `${count} ${name}`).join(', ')}`
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`
}

function seconds(value: number): string {
  return `${value.toFixed(1)} s`
}
