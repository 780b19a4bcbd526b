/** How often each outcome occurred in a test of completions in transactions. */
export interface CompletionTally {
  /** Number of handler calls. Each is one try. */
  tries: number
  /** Number of tries whose commit was acknowledged. */
  committed: number
  /**
   * Number of handler calls that failed before their commit: the storage rejected the completion, the connection broke,
   * or the handler threw.
   */
  refused: number
  /** Number of handler calls whose commit was sent but not acknowledged. */
  unanswered: number
  /** Number of unacknowledged commits that the database had executed. */
  unansweredHeld: number
  /** Number of handler calls whose owner had been replaced before the commit, according to the storage. */
  late: number
  /**
   * Number of handler calls whose owner had been replaced, and whose next owner had already begun to run the
   * occurrence.
   */
  overtaken: number
  /** Number of injected faults, by kind. */
  readonly faults: Record<string, number>
  /** Number of injected faults, by kind and statement. */
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

/** Adds the counts of another completion test to `sum`. */
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
