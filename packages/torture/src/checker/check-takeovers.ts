import type { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

/**
 * Time limit after the last fault for the takeover of a dead node's runs, as a multiple of `deadAfter`. The documented
 * limit is 2.
 */
const deadTimes = 4

/** Allowance for slow processes and late answers on a busy machine, in ms. */
const slackMs = 3000

/**
 * Checks that, after the faults, nodes took over the runs of a dead node because they had declared the node dead. A
 * reap at the deadline is not enough. If this check accepted such a reap, it would not detect that nodes never declare
 * a node dead.
 */
export function checkTakeovers(view: RunView): readonly Violation[] {
  const calm = view.lines('phase').find(({ phase }) => phase === 'calm')
  if (calm === undefined) return []
  // A node that starts must first observe its peers for `deadAfter`, so the limit counts from the last start.
  const starts = view.lines('spawned').map(({ mono }) => mono)
  const limit = Math.max(calm.mono, ...starts) + deadTimes * view.run.deadAfterMs + slackMs
  const owners = new Map(view.lines('granted').map((line) => [`${line.occurrence} ${line.token}`, line.life]))
  const violations: Violation[] = []
  for (const { occurrence, token, reason, mono } of view.lines('reaped')) {
    const life = owners.get(`${occurrence} ${token}`)
    const endedAt = life === undefined ? null : view.endOfLife(life)
    if (reason !== 'execution_timeout' || endedAt === null || endedAt > calm.mono || mono <= limit) continue
    const message = `${life} was dead for ${Math.round(mono - endedAt)} ms, but its run was only released at its deadline`
    violations.push({ rule: 'takeover', job: null, occurrence, message })
  }
  return violations
}
