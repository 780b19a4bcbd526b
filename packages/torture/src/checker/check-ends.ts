import type { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

/**
 * Checks the ends of occurrences. If the storage accepted an end, the ledger must name the owner that sent the end. The
 * check ignores ends in periods in which the storage lost writes.
 *
 * An owner can differ although the tokens are equal. After a storage has lost writes, it can give two owners the same
 * token. It may then accept the end from the wrong owner.
 */
export function checkEnds(view: RunView): readonly Violation[] {
  const nodes = new Map(view.lines('up').map(({ life, node }) => [life, node]))
  const losses = lossesOf(view)
  const violations: Violation[] = []
  for (const { occurrence, token, change, life, mono } of view.lines('settled')) {
    const record = view.record(occurrence)
    const node = nodes.get(life)
    if (change !== 'finish' || node === undefined || record === undefined || record.token !== token) continue
    if (losses.some(({ from, to }) => mono >= from && mono <= to) || record.owner?.node === node) continue
    const message = `an end of ${life} under token ${token} was accepted, but the run belongs to ${record.owner?.node}`
    violations.push({ rule: 'stale-write', job: null, occurrence, message })
  }
  return violations
}

/** Returns the periods of monotonic time in which the storage lost writes. */
function lossesOf(view: RunView): readonly { readonly from: number; readonly to: number }[] {
  const lines = view.lines('storage').filter(({ fault }) => fault === 'lose-writes')
  return lines.flatMap(({ ended, mono }, index) => {
    if (ended) return []
    return [{ from: mono, to: lines[index + 1]?.mono ?? Number.POSITIVE_INFINITY }]
  })
}
