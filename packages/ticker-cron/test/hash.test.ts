import { describe, expect, it } from 'vitest'
import { cron, cronType } from '../src/index.ts'

function bound(expression: string, jobName: string) {
  const schedule = cron(expression)
  if (!('bind' in schedule)) throw new Error(`${expression} needs no job`)
  return schedule.bind({ jobName })
}

function minutesOf(expression: string, jobName: string): number[] {
  return [...bound(expression, jobName).between('2026-01-01T00:00:00Z', '2026-01-01T01:00:00Z')].map((at) =>
    at.getUTCMinutes(),
  )
}

const names = Array.from({ length: 3000 }, (_, index) => `job-${index}`)

describe('H in a cron expression', () => {
  it('stands for the same number in all versions of the package, because the schedules of users depend on this number', () => {
    expect(bound('H H * * *', 'nightly-report').describe()).toBe('at 01:55, UTC')
    expect(bound('H H(0-5) H * *', 'backup').describe()).toBe('at 05:31 on day 25 of the month, UTC')
    expect(bound('H H H * * H', 'über-prüfung').describe()).toBe('at 09:53:14 on Tuesday, UTC')
    expect(bound('H/15 * * * *', 'nightly-report').describe()).toBe('at minutes 10, 25, 40 and 55 of every hour, UTC')
    expect(bound('H 3 1 H *', 'backup').describe()).toBe('at 03:31 on day 1 of June, UTC')
    expect(bound('H(0-9),H(30-39) 3 * * *', 'backup').describe()).toBe('at 03:01 and 03:37, UTC')
  })

  it('spreads jobs evenly over the values of its field', () => {
    const counts = new Map<number, number>()
    for (const name of names) {
      const [minute = -1] = minutesOf('H 0 * * *', name)
      counts.set(minute, (counts.get(minute) ?? 0) + 1)
    }
    expect(counts.size).toBe(60)
    // On average, 50 jobs have the same minute. With an even distribution, the counts of all 60 minutes are in these bounds.
    expect(Math.min(...counts.values())).toBeGreaterThan(20)
    expect(Math.max(...counts.values())).toBeLessThan(90)
  })

  it('stands for unrelated numbers in different fields', () => {
    const equal = names.filter((name) => {
      const at = bound('H H(0-23) * * * *', name).next('2026-01-01T00:00:00Z')
      return at?.getUTCSeconds() === at?.getUTCMinutes()
    })
    expect(equal.length).toBeLessThan(200)
  })

  it('stands for a number in its range, and with a step stands for numbers in the whole range', () => {
    for (const name of names.slice(0, 300)) {
      const [only = -1, ...more] = minutesOf('H(10-19) 0 * * *', name)
      expect([only >= 10 && only <= 19, more]).toEqual([true, []])
      const steps = minutesOf('H/20 0 * * *', name)
      expect(steps).toHaveLength(3)
      expect(steps[0]).toBeLessThan(20)
      expect(steps[2]).toBe((steps[0] ?? 0) + 40)
      const few = minutesOf('H(5-14)/4 0 * * *', name)
      expect(
        few.every((minute, index) => minute >= 5 && minute <= 14 && (index === 0 || minute - 4 === few[index - 1])),
      ).toBe(true)
    }
    expect(minutesOf('H/1 0 * * *', 'any')).toHaveLength(60)
  })

  it('stands for a day that every month has', () => {
    for (const name of names.slice(0, 300)) {
      expect([...bound('0 0 H * *', name).between('2026-01-01', '2027-01-01')]).toHaveLength(12)
    }
  })

  it('is not recognized inside the name of a weekday such as THU', () => {
    expect('bind' in cron('0 0 * MAR THU', { timezone: 'UTC' })).toBe(false)
  })

  it('has no value if the schedule has no job: `next` then throws, and `describe` does not throw', () => {
    const schedule = cron('H * * * *')
    expect(() => schedule.next(0)).toThrow(/H.*bind\(\{ jobName/)
    expect(() => schedule.nextMs(0)).toThrow(expect.objectContaining({ code: 'INVALID_SCHEDULE' }))
    expect(() => schedule.previousMs(0)).toThrow(expect.objectContaining({ code: 'INVALID_SCHEDULE' }))
    expect(() => [...schedule.between(0, 1)]).toThrow(expect.objectContaining({ code: 'INVALID_SCHEDULE' }))
    expect(schedule.describe()).toBe(`"H * * * *" spread by the job's name, UTC`)
  })

  it('is stored with the name of the job, so that every node loads the same schedule', () => {
    const schedule = bound('H H * * *', 'nightly-report')
    const stored = JSON.parse(JSON.stringify(schedule))
    expect(stored).toEqual({ type: 'cron', expression: 'H H * * *', timezone: 'UTC', jobName: 'nightly-report' })
    expect(cronType.revive(stored).next('2026-01-01T00:00:00Z')).toEqual(schedule.next('2026-01-01T00:00:00Z'))
    expect(cronType.revive(stored).toJSON()).toEqual(stored)
    const unbound = cronType.revive(JSON.parse(JSON.stringify(cron('H H * * *', { timezone: 'Asia/Tokyo' }))))
    expect('bind' in unbound).toBe(true)
  })
})
