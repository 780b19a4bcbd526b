/** The options of a benchmark. With `smoke`, the benchmark runs for a few seconds only, to check that it works. */
export interface BenchmarkOptions {
  readonly smoke: boolean
  /** Number of stored jobs, in benchmarks of many jobs. Default: the benchmark's own number. */
  readonly jobs?: number
  /** Numbers of nodes to measure. Default: all numbers of the benchmark. */
  readonly nodes?: readonly number[] | undefined
  /** Numbers of concurrent jobs to compare. Default: all numbers of the benchmark. */
  readonly widths?: readonly number[] | undefined
  /** Names of the storages to measure, in lower case. Default: all storages. */
  readonly storages?: readonly string[] | undefined
  /** Names of the loads to measure. Default: all loads. */
  readonly loads?: readonly string[] | undefined
  /** Number of measured rounds. Default: the benchmark's own number. */
  readonly rounds?: number
  /**
   * Number of occurrences, in benchmarks that measure the cost of an occurrence or the effect of a long history.
   * Default: the benchmark's own number.
   */
  readonly occurrences?: number
}

/** One benchmark, whose `run` returns the table to print. */
export interface Suite {
  readonly name: string
  readonly title: string
  run(options: BenchmarkOptions): Promise<Table>
}

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Sentences that explain the figures and their limits. */
  readonly notes: readonly string[]
}

export function printTable({ columns, rows, notes }: Table): string {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => (row[index] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  ')
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  return [line(columns), rule, ...rows.map(line), ...notes.map((note) => `  ${note}`)].join('\n')
}

/** Returns whether the list `wanted` contains the first word of `name`, in lower case. Without `wanted`, returns true. */
export function isWanted(wanted: readonly string[] | undefined, name: string): boolean {
  const [word = ''] = name.toLowerCase().replaceAll(',', '').split(/[ /]/)
  return wanted === undefined || wanted.includes(word)
}

export function formatRate(perSecond: number): string {
  return `${Math.round(perSecond).toLocaleString('en-US')}/s`
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
