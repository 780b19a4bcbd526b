import { cron } from '@jobistemer/ticker-cron'
import { CronExpressionParser } from 'cron-parser'
import { Cron } from 'croner'
import { formatRate, median, type Suite } from './suite.ts'

const expressions = ['* * * * *', '*/5 * * * *', '0 2 * * *', '30 9 * * 1-5', '0 0 1 * *', '0 0 29 2 *']
const zones = ['UTC', 'America/New_York']

const startMs = Date.UTC(2025, 0, 1)
const endMs = Date.UTC(2065, 0, 1)
// Number of instants that a measurement computes before it starts again at its first instant.
const mostInstants = 5000
// Reads the clock only after 20 steps, so that the time for the read does not affect the measurement.
const usualStepsPerRead = 20

/** Computes next instants with one cron library, in the way that this library recommends. */
interface Contender {
  /** Makes the next call of `nextMs` return the first instant after `afterMs`. */
  reset(afterMs: number): void
  nextMs(): number
}

const contenders: Readonly<Record<'jobistemer' | 'cronParser' | 'croner', (e: string, zone: string) => Contender>> = {
  jobistemer(expression, timezone) {
    const schedule = cron(expression, { timezone })
    let at = startMs
    return {
      reset: (afterMs) => {
        at = afterMs
      },
      nextMs: () => {
        at = schedule.nextMs(at) ?? Number.NaN
        return at
      },
    }
  },
  cronParser(expression, tz) {
    const schedule = CronExpressionParser.parse(expression, { tz, currentDate: new Date(startMs) })
    return {
      reset: (afterMs) => schedule.reset(new Date(afterMs)),
      nextMs: () => schedule.next().getTime(),
    }
  },
  croner(expression, timezone) {
    const schedule = new Cron(expression, { timezone })
    let at = new Date(startMs)
    return {
      reset: (afterMs) => {
        at = new Date(afterMs)
      },
      nextMs: () => {
        at = schedule.nextRun(at) ?? new Date(Number.NaN)
        return at.getTime()
      },
    }
  },
}

/** Measures the instants per second of cron schedules, compared with popular libraries. */
export const tickersSuite: Suite = {
  name: 'tickers',
  title: 'Instants of a cron schedule per second',
  async run({ smoke }) {
    const rounds = smoke ? 1 : 5
    const roundMs = smoke ? 2 : 100
    const stepsPerRead = smoke ? 1 : usualStepsPerRead
    const ratios: number[] = []
    const rows = zones.flatMap((zone) =>
      expressions.map((expression) => {
        const own = contenders.jobistemer(expression, zone)
        const cronParser = contenders.cronParser(expression, zone)
        const croner = contenders.croner(expression, zone)
        const rates = { own: [] as number[], cronParser: [] as number[], croner: [] as number[] }
        for (const each of [own, cronParser, croner]) instantsPerSecond(each, roundMs / 2, stepsPerRead)
        for (let round = 0; round < rounds; round++) {
          rates.own.push(instantsPerSecond(own, roundMs, stepsPerRead))
          rates.cronParser.push(instantsPerSecond(cronParser, roundMs, stepsPerRead))
          rates.croner.push(instantsPerSecond(croner, roundMs, stepsPerRead))
        }
        const faster = Math.max(median(rates.cronParser), median(rates.croner))
        const ratio = median(rates.own) / faster
        ratios.push(ratio)
        return [
          expression,
          zone,
          formatRate(median(rates.own)),
          formatRate(median(rates.cronParser)),
          formatRate(median(rates.croner)),
          `${Math.round(ratio)} ×`,
        ]
      }),
    )
    return {
      columns: ['expression', 'zone', 'jobistemer', 'cron-parser', 'croner', 'to the faster'],
      rows,
      notes: [
        `Medians of ${rounds} rounds of ${roundMs} ms each. The smallest ratio is ${Math.round(Math.min(...ratios))} ×.`,
        `From 2025-01-01 on, repeatedly: up to ${mostInstants.toLocaleString('en-US')} instants, or to 2065.`,
      ],
    }
  },
}

function instantsPerSecond(contender: Contender, milliseconds: number, stepsPerRead: number): number {
  let instants = 0
  let sinceReset = 0
  const startedAt = performance.now()
  let elapsed = 0
  contender.reset(startMs)
  while (elapsed < milliseconds) {
    for (let step = 0; step < stepsPerRead; step++) {
      const at = contender.nextMs()
      sinceReset++
      instants++
      // The negated comparison is also true if `at` is NaN.
      if (!(at < endMs) || sinceReset === mostInstants) {
        contender.reset(startMs)
        sinceReset = 0
      }
    }
    elapsed = performance.now() - startedAt
  }
  return (instants * 1000) / elapsed
}
