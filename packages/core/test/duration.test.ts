import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DurationInput, toDurationMs } from '../src/duration.ts'
import { refusalOf, thrownBy } from './support/thrown-by.ts'

describe('a duration option', () => {
  it.each<[DurationInput, number]>([
    [0, 0],
    [1500, 1500],
    [{ minutes: 5 }, 300_000],
    [{ weeks: 1, days: 1, hours: 1, minutes: 1, seconds: 1, milliseconds: 1 }, 694_861_001],
    [{ seconds: 0.5 }, 500],
    ['PT5M', 300_000],
    ['P1DT12H', 129_600_000],
    ['P2W', 1_209_600_000],
    ['PT0.25S', 250],
  ])('with the value %j means %i ms', (input, milliseconds) => {
    expect(toDurationMs(input, 'timeout')).toBe(milliseconds)
  })

  it('has the same value whether it is written in parts or as a text in ISO 8601', () => {
    const part = fc.integer({ min: 0, max: 500 })
    fc.assert(
      fc.property(part, part, part, part, (days, hours, minutes, seconds) => {
        const text = `P${days}DT${hours}H${minutes}M${seconds}S`
        expect(toDurationMs(text, 'timeout')).toBe(toDurationMs({ days, hours, minutes, seconds }, 'timeout'))
      }),
    )
  })

  it('is rounded to whole milliseconds', () => {
    expect(toDurationMs(1.4, 'timeout')).toBe(1)
    expect(toDurationMs({ seconds: 0.0016 }, 'timeout')).toBe(2)
  })

  it.each<[string, unknown]>([
    ['below 0', -1],
    ['NaN', Number.NaN],
    ['infinite', Number.POSITIVE_INFINITY],
    ['longer than a hundred years', 3_153_600_000_001],
    ['without any part', {}],
    ['of an unknown part', { fortnights: 1 }],
    ['of months, which have no fixed length', { months: 1 }],
    ['of a part that is not a number', { minutes: '5' }],
    ['in ISO 8601 with months', 'P1M'],
    ['in ISO 8601 with years', 'P1Y'],
    ['prose', '5 minutes'],
    ['an empty string', ''],
    ['negative in ISO 8601', 'PT-5M'],
    ['null', null],
    ['an array', [5]],
    ['a boolean', true],
    ['a bigint', 5n],
  ])('is refused if it is %s, which is no valid duration', (_, input) => {
    expect(refusalOf(() => toDurationMs(input as DurationInput, 'tasks[1].taskTimeout'))).toEqual({
      code: 'INVALID_DURATION',
      field: 'tasks[1].taskTimeout',
      value: input,
    })
  })

  it('is refused if its value is outside its bounds, and the message states the bound', () => {
    const bounds = { min: 10, max: 1000 }
    expect(toDurationMs(10, 'interval', bounds)).toBe(10)
    expect(toDurationMs(1000, 'interval', bounds)).toBe(1000)
    expect(thrownBy(() => toDurationMs(9, 'interval', bounds)).message).toContain('at least 10 ms')
    expect(thrownBy(() => toDurationMs('PT1.001S', 'interval', bounds)).message).toContain('at most 1000 ms')
  })
})

it('toDurationMs rejects a text of 500 KB before it parses it', () => {
  const text = `PT${'5'.repeat(500_000)}M`
  const refused = { code: 'INVALID_DURATION', field: 'wait', value: text, remedy: expect.stringContaining('100') }
  expect(() => toDurationMs(text, 'wait')).toThrow(expect.objectContaining(refused))
})
