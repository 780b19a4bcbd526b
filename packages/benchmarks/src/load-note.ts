import { availableParallelism, loadavg } from 'node:os'

/** What else the machine had to do: figures of a run beside others are not to be compared. */
export function loadNote(): string {
  const [minute] = loadavg() as [number, number, number]
  return `Load of the machine at the end: ${minute.toFixed(1)} on ${availableParallelism()} cores, this benchmark included.`
}
