import { createHash } from 'node:crypto'
import type { FieldName } from './field.ts'

/**
 * The number from 0 to `count - 1` that `H` stands for: the same for the same job and place on every node, spread evenly
 * over jobs, and unrelated between the places of one expression. Users' schedules rest on it: it never changes.
 * @param place which `H` of the field, counted from 0.
 */
export function hashedNumber(jobName: string, field: FieldName, place: number, count: number): number {
  const digest = createHash('sha256').update(`${field}:${place}:${jobName}`).digest()
  return digest.readUInt32BE(0) % count
}
