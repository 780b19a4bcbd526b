import type { OccurrenceId } from '@jobistemer/core'
import { groupBy } from './group-by.ts'
import type { RunView } from './run-view.ts'
import type { Rule, Violation } from './violation.ts'

/** Reports contradictions between the storage's answers to different nodes. */
export function checkAnswers(view: RunView): readonly Violation[] {
  return [
    ...createdTwice(view),
    ...grantedTwice(view),
    ...staleWrites(view),
    ...endedTwice(view),
    ...claimsInPauses(view),
    ...earlyReaps(view),
  ]
}

function createdTwice(view: RunView): readonly Violation[] {
  const violations: Violation[] = []
  for (const [occurrence, lines] of groupBy(view.lines('created'), (line) => line.occurrence)) {
    if (lines.length < 2) continue
    const lives = lines.map((line) => line.life).join(' and ')
    violations.push(
      violation('created-twice', occurrence, `${lives} received the answer that they had created it`, lines[0]?.job),
    )
  }
  return violations
}

function grantedTwice(view: RunView): readonly Violation[] {
  const violations: Violation[] = []
  for (const lines of groupBy(view.lines('granted'), (line) => `${line.occurrence} ${line.token}`).values()) {
    const lives = new Set(lines.map((line) => line.life))
    const [first] = lines
    if (first === undefined || lives.size < 2) continue
    const message = `${[...lives].join(' and ')} both received token ${first.token}`
    violations.push(violation('granted-twice', first.occurrence, message, first.job))
  }
  return violations
}

/** Returns the settles that the storage accepted although the owner had lost its token before it sent the settle. */
function staleWrites(view: RunView): readonly Violation[] {
  const deaths = groupBy(
    [
      ...view.lines('granted').map(({ occurrence, token, mono }) => ({ occurrence, token: token - 1, mono })),
      ...view.lines('reaped').map(({ occurrence, token, mono }) => ({ occurrence, token, mono })),
    ],
    (death) => death.occurrence,
  )
  const violations: Violation[] = []
  for (const { occurrence, token, sentAt, change, life } of view.lines('settled')) {
    const death = deaths.get(occurrence)?.find((one) => one.token >= token && one.mono < sentAt)
    if (death === undefined) continue
    const message = `a ${change} of ${life} under token ${token} was accepted ${Math.round(sentAt - death.mono)} ms after its end`
    violations.push(violation('stale-write', occurrence, message))
  }
  return violations
}

function endedTwice(view: RunView): readonly Violation[] {
  const finishes = view.lines('settled').filter((line) => line.change === 'finish')
  const reaps = view.lines('reaped').filter((line) => line.action === 'fail')
  const ends = [
    ...finishes.map(({ occurrence, token, state }) => ({ occurrence, end: `${state} under token ${token}` })),
    ...reaps.map(({ occurrence, token }) => ({ occurrence, end: `failed_stale under token ${token}` })),
  ]
  const violations: Violation[] = []
  for (const [occurrence, group] of groupBy(ends, (one) => one.occurrence)) {
    const different = new Set(group.map((one) => one.end))
    if (different.size < 2) continue
    violations.push(violation('ended-twice', occurrence, `it ended as ${[...different].join(' and as ')}`))
  }
  return violations
}

function claimsInPauses(view: RunView): readonly Violation[] {
  const pauses: { readonly job: string; readonly from: number; to: number }[] = []
  for (const line of view.run.history) {
    if (line.event === 'paused') pauses.push({ job: line.job, from: line.mono, to: Number.POSITIVE_INFINITY })
    if (line.event !== 'resuming') continue
    const pause = pauses.findLast((one) => one.job === line.job)
    if (pause !== undefined && pause.to > line.mono) pause.to = line.mono
  }
  const violations: Violation[] = []
  for (const { occurrence, job, sentAt, mono, life } of view.lines('granted')) {
    const pause = pauses.find((one) => one.job === job && sentAt > one.from && mono < one.to)
    if (pause === undefined) continue
    const message = `${life} requested it ${Math.round(sentAt - pause.from)} ms after the job was paused, and received it`
    violations.push(violation('claim-in-pause', occurrence, message, job))
  }
  return violations
}

// Maximum time in which a node takes over all runs of a dead node, in ms. During the takeover, the dead node may return
// and claim a further run, which the other node then also reaps. So the check accepts a silence that ended at most this
// time before the owner received the run.
const takeoverMs = 5000

/** Time from the end of a `runDue` call until other nodes may take over its runs, in ms. */
const callMarginMs = 5000

/**
 * Returns the reaps that break the rules of reaping. A node may reap a run in three cases:
 *
 * - The deadline of the run has passed.
 * - The node that owns the run is dead.
 * - An earlier process of the same node owned the run.
 */
function earlyReaps(view: RunView): readonly Violation[] {
  const grants = new Map(view.lines('granted').map((line) => [`${line.occurrence} ${line.token}`, line]))
  const callers = new Set(view.lines('calls').map(({ life }) => life))
  const violations: Violation[] = []
  for (const { occurrence, token, node, life, reason, now, sentAt, mono } of view.lines('reaped')) {
    const grant = grants.get(`${occurrence} ${token}`)
    if (grant === undefined) continue
    if (reason === 'owner_restarted') {
      if (grant.node === node && grant.life !== life) continue
      const message = `${life} took it as its own earlier life's, but ${grant.life} on ${grant.node} had it`
      violations.push(violation('reaped-early', occurrence, message, grant.job))
    } else if (reason === 'node_lost') {
      const silenceMs = view.silenceMs(grant.life, { before: sentAt, after: grant.sentAt - takeoverMs })
      if (silenceMs >= view.run.deadAfterMs) continue
      // After the announced end of a `runDue` call, peers may take over the runs of the call, although the calling
      // process still lives.
      if (callers.has(grant.life) && (view.clocks.disagree || sentAt - grant.sentAt > callMarginMs)) continue
      const message = `${life} took it from ${grant.life} as dead, which had been silent for ${Math.round(silenceMs)} ms`
      violations.push(violation('reaped-early', occurrence, message, grant.job))
    } else if (now < grant.deadline) {
      const message = `${life} took it from ${grant.life} ${grant.deadline - now} ms before its deadline`
      violations.push(violation('reaped-early', occurrence, message, grant.job))
    } else if (!view.clocks.disagree && mono - grant.sentAt < timeoutOf(grant) - clockErrorMs(view)) {
      const message = `${life} took it from ${grant.life} after ${Math.round(mono - grant.sentAt)} ms of ${timeoutOf(grant)}`
      violations.push(violation('reaped-early', occurrence, message, grant.job))
    }
  }
  return violations
}

function timeoutOf({ deadline, now }: { readonly deadline: number; readonly now: number }): number {
  return deadline - now
}

/** Returns the maximum difference between the times of two engines, in ms. */
function clockErrorMs({ clocks }: RunView): number {
  return clocks.aheadMs + clocks.behindMs
}

function violation(rule: Rule, occurrence: OccurrenceId, message: string, job?: string): Violation {
  return { rule, job: job ?? null, occurrence, message }
}
