import { jobId, type OccurrenceId, occurrenceId } from '@jobistemer/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { binaryUuids, uuidOf, uuidOrNull } from '../src/ids.ts'
import { plainArray, readText, storeText, textArray } from '../src/sql.ts'
import { useSchemas } from './schemas.ts'

const { query } = useSchemas()

/** Generates texts from all UTF-16 units, including lone surrogates and control characters. */
const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 12 })
  .map((units) => String.fromCharCode(...units))
const oddText = fc
  .array(
    fc.constantFrom('\0', '\u0001', '0', '1', 'd800', '\ud800', '\udc00', '"', '\\', '{', '}', ',', 'NULL', ' ', 'ä'),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''))

describe('a text stored in PostgreSQL', () => {
  it('is read back unchanged, and is equal only to itself', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, oddText), fc.oneof(anyText, oddText), (text, other) => {
        const stored = storeText(text)
        expect(readText(stored)).toBe(text)
        expect(Buffer.from(stored).toString()).toBe(stored)
        expect(stored).not.toContain('\0')
        expect(stored === storeText(other)).toBe(text === other)
      }),
    )
  })

  it('is read back unchanged from an array', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(fc.oneof(anyText, oddText))), async (texts) => {
        const stored = texts.map((text) => (text === null ? null : storeText(text)))
        const [row] = await query('SELECT array_to_json($1::text::text[])::text AS back', [textArray(stored)])
        const back = JSON.parse(row.back) as (string | null)[]
        expect(back.map((text) => (text === null ? null : readText(text)))).toEqual(texts)
      }),
      { numRuns: 50 },
    )
  })
})

describe('an id stored in PostgreSQL', () => {
  it('is a UUID without the prefix', () => {
    const id = occurrenceId(jobId('nightly'), 0)
    expect(`occ_${uuidOf(id)}`).toBe(id)
  })

  it('is sent as bytes or as text with the same result', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => occurrenceId(jobId('nightly'), index))
    const [row] = await query('SELECT $1::uuid[] = $2::text::uuid[] AS same, cardinality($1::uuid[]) AS count', [
      binaryUuids(ids),
      plainArray(ids.map(uuidOf)),
    ])
    expect(row).toEqual({ same: true, count: 50 })
  })

  it('cannot be encoded as bytes if it does not consist of a prefix and a UUID', () => {
    const id = occurrenceId(jobId('nightly'), 0)
    for (let place = 0; place <= id.length; place++) {
      for (const wrong of ['g', 'A', '_', 'ä', '-', '€']) {
        const changed = `${id.slice(0, place)}${wrong}${id.slice(place + 1)}` as OccurrenceId
        if (changed !== id) {
          expect(() => binaryUuids([id, changed]), changed).toThrow(
            expect.objectContaining({ code: 'STORAGE_REFUSED' }),
          )
        }
      }
    }
    for (const length of [0, 3, 4, 39]) {
      const short = id.slice(0, length) as OccurrenceId
      expect(() => binaryUuids([short]), short).toThrow(expect.objectContaining({ code: 'STORAGE_REFUSED' }))
    }
  })

  it('is never found and never stored if it does not consist of a prefix and a UUID', () => {
    for (const id of ['occ_1', `occ_${'A'.repeat(8)}-0000-0000-0000-000000000000`, 'occ_']) {
      expect(uuidOrNull(id as OccurrenceId)).toBeNull()
      expect(() => uuidOf(id as OccurrenceId)).toThrow(expect.objectContaining({ code: 'STORAGE_REFUSED' }))
    }
  })
})
