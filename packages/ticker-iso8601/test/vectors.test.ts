import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { iso8601 } from '../src/index.ts'

interface Vector {
  readonly id: string
  readonly expr: string
  readonly tz: string
  readonly start: string
  readonly expected: readonly string[]
}

const vectors = readFileSync(new URL('schedules.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Vector)

describe('an ISO 8601 interval that calendar libraries are known to compute wrongly', () => {
  it.each(vectors)('has the expected instants: $id: $expr in $tz', ({ expr, tz, start, expected }) => {
    const instants: string[] = []
    for (const at of iso8601(expr, { timezone: tz }).between(start, '9999-01-01T00:00:00Z')) {
      instants.push(at.toISOString().replace('.000Z', 'Z'))
      if (instants.length === expected.length) break
    }
    expect(instants).toEqual(expected)
  })
})
