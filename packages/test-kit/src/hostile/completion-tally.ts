/** The outcomes of a play of completions. */
export interface CompletionTally {
  /** Number of handler calls. */
  tries: number
  /** Number of tries whose commit was acknowledged. */
  committed: number
  /** Number of tries that the storage rejected, that broke, or whose handler threw. */
  refused: number
  /** Number of tries whose commit was sent and not acknowledged. */
  unanswered: number
  /** Number of unanswered tries that were committed. */
  unansweredHeld: number
  /** Number of tries whose owner was replaced before the commit, according to the storage. */
  late: number
  /** Number of tries that came too late, and whose next owner had already begun to run the occurrence. */
  overtaken: number
  /** Number of faults, by kind. */
  readonly faults: Record<string, number>
  /** Number of faults, by kind and statement. */
  readonly points: Record<string, number>
}

export function emptyTally(): CompletionTally {
  return {
    tries: 0,
    committed: 0,
    refused: 0,
    unanswered: 0,
    unansweredHeld: 0,
    late: 0,
    overtaken: 0,
    faults: {},
    points: {},
  }
}

/** Adds the outcomes of another play. */
export function addTally(sum: CompletionTally, { faults, points, ...counts }: CompletionTally): void {
  for (const [name, count] of Object.entries(counts) as [keyof typeof counts, number][]) sum[name] += count
  for (const [name, count] of Object.entries(faults)) countOne(sum.faults, name, count)
  for (const [name, count] of Object.entries(points)) countOne(sum.points, name, count)
}

export function countFault({ faults, points }: CompletionTally, fault: string, statement: string): void {
  countOne(faults, fault)
  countOne(points, `${fault}: ${statement}`)
}

function countOne(counts: Record<string, number>, name: string, count = 1): void {
  counts[name] = (counts[name] ?? 0) + count
}
