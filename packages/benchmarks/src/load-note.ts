import { availableParallelism, loadavg } from 'node:os'

/**
 * Returns a note about the load that other processes put on the machine. Figures that were measured under such load are not
 * comparable.
 */
export function loadNote(): string {
  const [minute] = loadavg() as [number, number, number]
  return `Load of the machine at the end: ${minute.toFixed(1)} on ${availableParallelism()} cores, this benchmark included.`
}
