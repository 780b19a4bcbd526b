import { type OccurrenceId, occurrenceId, jobId } from '@jobistemer/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareKeys, idOf, keyOf } from '../src/occurrence-row.ts'

describe('the stored key of an occurrence', () => {
  const uuid = fc.uuid().map((text) => `occ_${text}` as OccurrenceId)
  const other = fc.oneof(
    fc.string().map((text) => `occ_${text}` as OccurrenceId),
    fc.uuid().map((text) => `occ_${text.toUpperCase()}` as OccurrenceId),
    fc.uuid().map((text) => `occ_${text.replaceAll('-', '0')}` as OccurrenceId),
    fc.uuid().map((text) => `occ_${text.replace(/[0-9a-f]$/, 'İ')}` as OccurrenceId),
  )

  it('converts back to the id, for UUIDs and for other texts', () => {
    fc.assert(fc.property(fc.oneof(uuid, other), (id) => idOf(keyOf(id)) === id))
  })

  it('has 16 bytes for an id that core makes', () => {
    expect(keyOf(occurrenceId(jobId('nightly'), 0))).toHaveLength(16)
  })

  it('sorts in the same order as the id', () => {
    fc.assert(
      fc.property(uuid, uuid, (left, right) => {
        expect(Math.sign(compareKeys(keyOf(left), keyOf(right)))).toBe(left < right ? -1 : left > right ? 1 : 0)
      }),
    )
  })
})
