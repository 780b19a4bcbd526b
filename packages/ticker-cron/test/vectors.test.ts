import { readFileSync } from 'node:fs'
import { JobistemerError } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { cron } from '../src/index.ts'

interface Vector {
  readonly id: string
  readonly expr: string
  readonly tz: string
  readonly start: string
  readonly expected: readonly string[] | 'error'
}

const vectors = readFileSync(new URL('schedules.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Vector)

describe('a cron schedule that daemons and libraries are known to compute wrongly', () => {
  it.each(vectors)('has the expected instants: $id: $expr in $tz', ({ expr, tz, start, expected }) => {
    if (expected === 'error' || expected.length === 0) {
      const code = expected === 'error' ? 'INVALID_SCHEDULE' : 'SCHEDULE_NEVER_FIRES'
      expect(() => cron(expr, { timezone: tz })).toThrow(expect.toSatisfy((e) => JobistemerError.isInstance(e, code)))
      return
    }
    const schedule = cron(expr, { timezone: tz })
    const instants: string[] = []
    let at: Date | string | null = start
    while (instants.length < expected.length) {
      at = schedule.next(at)
      if (at === null) break
      instants.push(at.toISOString().replace('.000Z', 'Z'))
    }
    expect(instants).toEqual(expected)
    expect(backFrom(schedule, expected)).toEqual(expected.toReversed())
  })
})

function backFrom(schedule: ReturnType<typeof cron>, expected: readonly string[]): string[] {
  const instants: string[] = []
  let before = Date.parse(expected.at(-1) as string) + 1
  while (instants.length < expected.length) {
    const at = schedule.previousMs(before)
    if (at === null) break
    instants.push(new Date(at).toISOString().replace('.000Z', 'Z'))
    before = at
  }
  return instants
}
