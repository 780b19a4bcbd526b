import { availableParallelism, loadavg } from 'node:os'

/** States the machine's other load. Figures of a run beside other work are not comparable. */
export function loadNote(): string {
  const [minute] = loadavg() as [number, number, number]
  return `Load of the machine at the end: ${minute.toFixed(1)} on ${availableParallelism()} cores, this benchmark included.`
}
