import { availableParallelism, loadavg } from 'node:os'

/** Returns a note about other load on the machine. Figures that were measured beside other work are not comparable. */
export function loadNote(): string {
  const [minute] = loadavg() as [number, number, number]
  return `Load of the machine at the end: ${minute.toFixed(1)} on ${availableParallelism()} cores, this benchmark included.`
}
