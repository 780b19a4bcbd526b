import { expect, it } from 'vitest'
import { cron } from '../src/index.ts'

it.each([
  ['* * * * *', 'every minute'],
  ['* * * * * *', 'every second'],
  ['*/5 * * * *', 'every 5 minutes'],
  ['*/10 * * * * *', 'every 10 seconds'],
  ['0 * * * *', 'every hour'],
  ['0 */2 * * *', 'every 2 hours'],
  ['5 * * * *', 'at minute 5 of every hour'],
  ['*/40 * * * *', 'at minutes 0 and 40 of every hour'],
  ['0 2 * * *', 'at 02:00'],
  ['0,30 2 * * *', 'at 02:00 and 02:30'],
  ['15 30 4 * * *', 'at 04:30:15'],
  ['*/5 9-17 * * MON-FRI', 'every 5 minutes of hours 9 to 17 on Monday to Friday'],
  ['0 9-17 * * *', 'at minute 0 of hours 9 to 17'],
  ['* 2 * * *', 'every minute of hour 2'],
  ['*/30 */2 * * *', 'every 30 minutes of hours 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 22'],
  ['5 * 2 * * *', 'at second 5 of every minute of hour 2'],
  ['*/10 * 3 * * *', 'every 10 seconds of hour 3'],
  ['30 9 * * 1-5', 'at 09:30 on Monday to Friday'],
  ['0 0 * * 0,6', 'at 00:00 on Sunday and Saturday'],
  ['0 0 1 * *', 'at 00:00 on day 1 of the month'],
  ['0 0 29 2 *', 'at 00:00 on day 29 of February'],
  ['0 0 1,15 6-8 *', 'at 00:00 on days 1 and 15 of June to August'],
  ['0 12 * 6 MON', 'at 12:00 on Monday in June'],
  ['0 12 * 6 *', 'at 12:00 in June'],
  ['0 0 31 2 MON', 'at 00:00 on day 31 of the month or on Monday, in February'],
  ['0 0 L * *', 'at 00:00 on the last day of the month'],
  ['0 0 L-3,LW 1 *', 'at 00:00 on day 3 before the last and the last weekday of January'],
  ['0 0 15W * *', 'at 00:00 on the weekday nearest to day 15 of the month'],
  ['0 0 13 * FRI#2', 'at 00:00 on day 13 of the month or on the second Friday of the month'],
  ['0 0 * * 5L', 'at 00:00 on the last Friday of the month'],
  ['0 0 0 1 1 * 2027-2030', 'at 00:00 on day 1 of January in 2027 to 2030'],
])('the cron expression %s is described as %s', (expression, words) => {
  expect(cron(expression, { timezone: 'UTC' }).describe()).toBe(`${words}, UTC`)
})

it('the description of a cron schedule contains its start and end', () => {
  expect(
    cron('0 2 * * *', { timezone: 'Europe/Berlin', start: '2026-01-01', end: '2026-06-30T12:00:00Z' }).describe(),
  ).toBe('at 02:00, Europe/Berlin, from 2025-12-31T23:00:00Z, until 2026-06-30T12:00:00Z')
})
