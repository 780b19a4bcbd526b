/** How thorough a run is: `smoke` only shows that the benchmark works, in a few seconds. */
export interface BenchmarkOptions {
  readonly smoke: boolean
  /** How many jobs are stored, where that is what is measured. Default: as many as the benchmark is about. */
  readonly jobs?: number
  /** Which sizes of fleets are measured. Default: all that the benchmark is about. */
  readonly nodes?: readonly number[] | undefined
  /** How many at a time, where that is compared. Default: all that the benchmark is about. */
  readonly widths?: readonly number[] | undefined
  /** Which storages are measured, in lower case, where there are several. Default: all. */
  readonly storages?: readonly string[] | undefined
  /** Which loads are measured, where there are several that take long. Default: all. */
  readonly loads?: readonly string[] | undefined
  /** How many rounds are measured, where several are. Default: as many as the benchmark is about. */
  readonly rounds?: number
  /** How many occurrences run, where it is looked at what they leave. Default: as many as the benchmark is about. */
  readonly occurrences?: number
}

/** One benchmark: prints its table. */
export interface Suite {
  readonly name: string
  readonly title: string
  run(options: BenchmarkOptions): Promise<Table>
}

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** What the figures mean, and what they are not. */
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

/** Whether a storage or a load is one of those that are wanted, by the first word of its name. */
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
