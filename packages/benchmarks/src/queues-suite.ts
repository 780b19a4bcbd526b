import { candidates } from './candidates.ts'
import { operations, QueueRound, type Timings } from './queue-round.ts'
import { isWanted, median, type Suite } from './suite.ts'

/**
 * Measures whether a long queue makes the storage calls for its job slower. Also measures the calls and gauges that count
 * the queue.
 */
export const queuesSuite: Suite = {
  name: 'queues',
  title: 'Microseconds per call of a job with a short queue and with a long one',
  async run({ smoke, storages: wanted, rounds: wantedRounds = 5 }) {
    const [short, long] = [10, smoke ? 30 : 100_000]
    const rounds = smoke ? 1 : wantedRounds
    const calls = smoke ? 3 : 500
    const rows: string[][] = []
    for (const { name, start } of candidates.filter(({ name }) => isWanted(wanted, name))) {
      const { open, stop } = await start()
      const storages = [open('short'), open('long')] as const
      try {
        const [shortQueue, longQueue] = [new QueueRound(storages[0], short), new QueueRound(storages[1], long)]
        await shortQueue.fill()
        await longQueue.fill()
        const [shortTimes, longTimes]: [Timings[], Timings[]] = [[], []]
        // The first round is a warm-up and not measured.
        for (let round = smoke ? 1 : 0; round <= rounds; round++) {
          const times = [await shortQueue.run(calls), await longQueue.run(calls)] as const
          if (round === 0) continue
          shortTimes.push(times[0])
          longTimes.push(times[1])
        }
        const [shortRemoval, longRemoval] = [await shortQueue.remove(), await longQueue.remove()]
        const row = (label: string, print: (operation: keyof Timings) => string, removal: string) =>
          rows.push([`${name}, ${label}`, ...operations.map(print), removal])
        const print = (times: readonly Timings[]) => (operation: keyof Timings) =>
          median(times.map((timings) => timings[operation])).toFixed(0)
        row(`${short} queued`, print(shortTimes), shortRemoval.toFixed(0))
        row(`${long.toLocaleString('en-US')} queued`, print(longTimes), longRemoval.toFixed(0))
        const ratioOf = (operation: keyof Timings) =>
          median(longTimes.map((times, round) => times[operation] / (shortTimes[round]?.[operation] ?? 0))).toFixed(2)
        row('ratio', ratioOf, '')
      } finally {
        for (const storage of storages) await storage.close()
        await stop()
      }
    }
    return {
      columns: ['', ...operations, 'removal'],
      rows,
      notes: [
        `Medians of ${rounds} rounds. Each round measures ${calls} calls on each queue; the ratio is paired by round.`,
        'Each call has one item: a queued trigger; the end of the running occurrence, which wakes the next one; the',
        'claim of the woken one; `get` with the counts of all jobs and of this one; the gauges of a scheduler, as a scrape reads them.',
        'Removal: the longest step of removing the job, 250 waiting occurrences at a time.',
      ],
    }
  },
}
