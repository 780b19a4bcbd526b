/** What came of a play of completions. */
export interface CompletionTally {
  /** Calls of the handler. */
  tries: number
  /** Tries whose commit was acknowledged. */
  committed: number
  /** Tries that were refused, that broke, or that thought better of it. */
  refused: number
  /** Tries whose commit was asked for, and not acknowledged. */
  unanswered: number
  /** Those of them whose commit has happened all the same. */
  unansweredHeld: number
  /** Tries whose owner was replaced before the commit, by the storage's own word. */
  late: number
  /** Those of them whose occurrence another owner had begun to run by then. */
  overtaken: number
  /** Faults that came, by their kind. */
  readonly faults: Record<string, number>
  /** Faults that came, by their kind and the statement that they came in. */
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

/** Adds what came of another play. */
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
