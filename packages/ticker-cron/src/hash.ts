import { createHash } from 'node:crypto'
import type { FieldName } from './field.ts'

/**
 * Returns the number from 0 to `count - 1` that `H` means. The number is equal on every node for the same job and the
 * same `H` of an expression. Numbers are evenly distributed over jobs, and several `H` of one expression have
 * independent numbers. The function must never change, because stored schedules depend on it.
 * @param place the index of the `H` in its field, from 0
 */
export function hashedNumber(jobName: string, field: FieldName, place: number, count: number): number {
  const digest = createHash('sha256').update(`${field}:${place}:${jobName}`).digest()
  return digest.readUInt32BE(0) % count
}
