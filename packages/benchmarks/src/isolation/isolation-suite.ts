import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis } from '@jobistemer/test-servers'
import { loadNote } from '../load-note.ts'
import { quantile } from '../in-flight.ts'
import type { Suite } from '../suite.ts'
import { candidates, grownCandidates, misbehaviours, type Runner, startJobistemer } from './candidates.ts'
import { largestGap, livingChildren, usedKb } from './watch.ts'

/** Measures the cost of a handler in a thread or a process, and the effect of misbehaving handlers on the node. */
export const isolationSuite: Suite = {
  name: 'isolation',
  title: 'Attempts of isolated tasks in a row, next to BullMQ’s sandboxed processors and to piscina',
  async run({ smoke, occurrences }) {
    const count = smoke ? 3 : (occurrences ?? 300)
    const rows: string[][] = []
    // Measures the gaps that the busy machine causes in the event loop of an idle process.
    const gapOfNothing = await largestGap(async () => {
      await sleep(smoke ? 10 : 5000)
    })
    rows.push(['nothing, for 5 s', '', '', `${gapOfNothing.toFixed(0)} ms`, '', ''])
    const redis = await startRedis({ config: { appendonly: 'no' } })
    try {
      for (const { name, start } of candidates(redis)) rows.push([name, ...(await measure(start, count))])
    } finally {
      await redis.stop()
    }
    // Additional heap of the node, in MB. A large parent process starts children more slowly.
    const ballastMb = smoke ? 8 : 2048
    for (const { name, start } of grownCandidates()) {
      rows.push([`${name}, ${ballastMb} MB in the node`, ...(await measure(start, Math.min(count, 300), ballastMb))])
    }
    // Errors that dying children write to stderr are expected, so they are hidden.
    const { write } = process.stderr
    process.stderr.write = () => true
    for (const isolation of ['thread', 'process'] as const) {
      for (const kind of misbehaviours) {
        if (isolation === 'thread' && kind === 'stopped processes') continue
        const attempts = smoke ? 1 : 10
        const start = () => startJobistemer({ isolation, pool: false }, { kind })
        rows.push([`${attempts} ${kind}, ${isolation}`, ...(await measure(start, attempts))])
      }
    }
    process.stderr.write = write
    return {
      columns: ['', 'median', 'p99', 'largest gap', 'heap grew', 'living after it'],
      rows,
      notes: [
        `${count.toLocaleString('en-US')} attempts each, one after another, of a function that returns 1; on the storage in memory, for BullMQ on Redis.`,
        'Jobistemer’s threads and processes may have 32 MB of old generation.',
        'Rows with MB in the node: 300 attempts in a node whose heap has grown by this much since its start.',
        'Misbehaving handlers have a timeout of 1 s, and are killed 100 ms later.',
        'Largest gap: between two turns of the event loop of the node, by a timer of 1 ms. Heap: after garbage collection,',
        'over all attempts, after a warm-up of a tenth as many. Living: processes in the list of processes after the shutdown.',
        loadNote(),
      ],
    }
  },
}

async function measure(start: () => Promise<Runner>, count: number, ballastMb = 0): Promise<string[]> {
  const runner = await start()
  const ballast = Array.from({ length: ballastMb }, () => Buffer.alloc(1024 * 1024, 1))
  const times: number[] = []
  // The warm-up starts the pool's children and loads their code.
  for (let index = 0; index < Math.ceil(count / 10); index++) await runner.attempt()
  await runner.forget?.()
  const before = usedKb()
  const gap = await largestGap(async () => {
    for (let index = 0; index < count; index++) {
      const beganAt = performance.now()
      await runner.attempt()
      times.push(performance.now() - beganAt)
    }
  })
  await runner.forget?.()
  const grown = usedKb() - before
  // Frees the additional heap of the node before the heap is measured.
  ballast.length = 0
  usedKb()
  await runner.stop()
  const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ms`
  return [
    ms(quantile(times, 0.5)),
    ms(quantile(times, 0.99)),
    ms(gap),
    `${grown.toFixed(0)} kB`,
    String(livingChildren()),
  ]
}
