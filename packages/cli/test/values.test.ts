import { describe, expect, it } from 'vitest'
import { nearest } from '../src/nearest.ts'
import { text, visible } from '../src/output/rendered.ts'
import { tableLines } from '../src/output/table.ts'
import { duration, Times } from '../src/output/times.ts'
import { readDuration, readInstant } from '../src/values.ts'

const now = Date.parse('2026-03-29T00:30:00Z')

describe('an instant in the CLI', () => {
  const read = (given: string) => readInstant(given, { field: 'AT', now, isUtc: false }).toISOString()

  it('that the CLI has printed is parsed to the same instant, before and after a change to summer time', () => {
    const times = new Times({ timezone: 'Europe/Berlin', now: () => now })
    for (const at of ['2026-03-29T00:59:59.500Z', '2026-03-29T01:00:00.000Z', '2026-10-25T00:30:00.000Z']) {
      expect(read(times.at(new Date(at)))).toBe(at)
    }
    expect(times.at(new Date('2026-03-29T01:00:00Z'))).toBe('2026-03-29 03:00:00+02:00')
    expect(new Times({ timezone: 'UTC', now: () => now }).at(new Date(now))).toBe('2026-03-29 00:30:00Z')
  })

  it('may be written in short forms, or as a time span before or after the present', () => {
    expect(read('2026-01-01T02:00+01')).toBe('2026-01-01T01:00:00.000Z')
    expect(read('2026-01-01Z')).toBe('2026-01-01T00:00:00.000Z')
    expect(read('-1h30m')).toBe('2026-03-28T23:00:00.000Z')
    expect(read('+2d')).toBe('2026-03-31T00:30:00.000Z')
  })

  it.each([
    '',
    'tomorrow',
    '2026-13-01T00:00Z',
    '2026-01-01',
    '1767225600000',
    '2027-02-30T02:00:00Z',
    '2026-04-31Z',
    '+99999999999d',
    '-999999999999999d',
  ])('is refused if it is the invalid text %j', (given) => {
    expect(() => read(given)).toThrow(expect.objectContaining({ code: 'INVALID_INSTANT', field: 'AT' }))
  })

  it('is printed as its distance from the present, in the past or in the future', () => {
    const times = new Times({ timezone: 'UTC', now: () => now })
    const at = (distanceMs: number) => times.relative(new Date(now + distanceMs))
    expect([0, 999, 240_000, -7_200_000, 86_400_000 * 3].map(at)).toEqual([
      'now',
      'now',
      'in 4 min',
      '2 h ago',
      'in 3 d',
    ])
  })
})

describe('a duration in the CLI', () => {
  it('may be written in ISO 8601 and in short forms', () => {
    const read = readDuration('--timeout', 1)
    expect(['500ms', '1.5s', '1h30m', '2w', 'PT5M', 'P1DT1H'].map((given) => read(given))).toEqual([
      500, 1500, 5_400_000, 1_209_600_000, 300_000, 90_000_000,
    ])
    for (const given of ['', '0', '5', 'PT', '-1s', '1x'])
      expect(() => read(given)).toThrow('--timeout is not a duration')
    expect(read('36500d')).toBe(36_500 * 86_400_000)
    expect(() => read('36501d')).toThrow('--timeout is longer than 36500 days: "36501d".')
  })

  it('is printed with its two largest time units', () => {
    const shown = [0, 850, 3250, 250_000, 7_500_000, 273_600_000, 3_600_000].map(duration)
    expect(shown).toEqual(['0 ms', '850 ms', '3.2 s', '4 min 10 s', '2 h 5 min', '3 d 4 h', '1 h'])
  })
})

describe('text from the storage', () => {
  it('is printed with escapes in place of control characters and of characters that hide or reverse text', () => {
    expect(visible('a\u001b[31m\u0007\r\n\u009b1m\u202e\u200b\u{e0041}\ud800é漢')).toBe(
      'a\\x1b[31m\\x07\\r\\n\\x9b1m\\u{202e}\\u{200b}\\u{e0041}\\u{d800}é漢',
    )
    expect(text`Job ${'\u001b[2J'}`.text).toBe('Job \\x1b[2J')
  })
})

describe('a table of the CLI', () => {
  it('is aligned by the width of its characters, and its long columns are cut to the terminal’s width', async () => {
    const columns = [
      { title: 'NAME', shrinks: true },
      { title: 'N', align: 'right' as const },
    ]
    const linesOf = async (wide: string) => {
      const rows = [
        [wide, '1'],
        ['abc', '22'],
      ]
      const lines = await tableLines(columns, rows, { title: (part) => text`${part}`, width: 14 })
      return lines.map((line) => line.text)
    }
    expect(await linesOf('漢字漢字漢字漢字')).toEqual(['NAME         N', '漢字漢字…    1', 'abc         22'])
    expect(await linesOf('nightly-report')).toEqual(['NAME         N', 'nightly-r…   1', 'abc         22'])
  })
})

describe('the names that the CLI suggests for an unknown name', () => {
  it('differ from the unknown name in few characters, or contain the unknown name', () => {
    const names = ['nightly-report', 'nightly-backup', 'import', 'imports-old']
    expect(nearest('nigthly-report', names)).toEqual(['nightly-report'])
    expect(nearest('Import', names)).toEqual(['import', 'imports-old'])
    expect(nearest('nightly', names)).toEqual(['nightly-backup', 'nightly-report'])
    expect(nearest('zebra', names)).toEqual([])
  })
})
