import { candidates } from './candidates.ts'
import { type CallTimes, ListsRound } from './lists-round.ts'
import type { Suite } from './suite.ts'

const print = ({ median, max }: CallTimes) => `${median.toFixed(1)} / ${max.toFixed(1)}`

/** Measures whether a longer history makes a client's `jobs`, `failures` and `counts` slower. */
export const listsSuite: Suite = {
  name: 'lists',
  title: 'Milliseconds per call of lists for people, with a short history and with a long one',
  async run({ smoke, jobs: asked }) {
    const jobs = asked ?? (smoke ? 100 : 10_000)
    const sizes = smoke ? [1, 2] : [10, 100]
    const calls = smoke ? 1 : 100
    const rows: string[][] = []
    for (const { name, start } of candidates) {
      const { open, stop } = await start()
      const round = new ListsRound(open('lists'), jobs)
      try {
        await round.addJobs()
        let filled = 0
        for (const size of sizes) {
          const startedAt = performance.now()
          await round.fill(size - filled)
          filled = size
          const seconds = (performance.now() - startedAt) / 1000
          rows.push([
            `${name}, ${(jobs * size).toLocaleString('en-US')} occurrences`,
            print(await round.failures(calls)),
            print(await round.jobs(calls)),
            print(await round.counts(calls)),
            seconds.toFixed(0),
          ])
        }
      } finally {
        await round.close()
        await stop()
      }
    }
    return {
      columns: [
        '',
        '100 failures',
        '100 jobs with their last run',
        '100 jobs with counts, and those of all',
        'filled in s',
      ],
      rows,
      notes: [
        `Medians and longest of ${calls} calls of a client, page after page, among ${jobs.toLocaleString('en-US')} data jobs.`,
        'One occurrence in a hundred has failed. The storage’s own calls fill it.',
      ],
    }
  },
}
