import { createScheduler, defineJob } from '@jobistemer/core'
import { assertLedger } from '@jobistemer/storage-conformance'
import { once } from '@jobistemer/ticker-once'
import type { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { useServers } from './servers.ts'

const { start, client: admin, open } = useServers()

it('several schedulers run each slot once although their Redis server is restarted in between', async () => {
  const server = await start({ appendonly: 'yes', appendfsync: 'always' })
  const wanted = 60
  const runs = new Map<string, number>()
  let done = 0
  let allDone: () => void = () => {}
  const finished = new Promise<void>((resolve) => {
    allDone = resolve
  })
  const makeJob = () =>
    defineJob({
      name: 'work',
      schedule: once('2099-01-01T00:00:00Z'),
      overlapPolicy: 'queue',
      tasks: [
        {
          name: 'count',
          run: async ({ occurrence }) => {
            runs.set(occurrence.id, (runs.get(occurrence.id) ?? 0) + 1)
          },
        },
      ],
      onComplete: () => {
        if (++done === wanted) allDone()
      },
    })
  const schedulers = [1, 2, 3].map((node) =>
    createScheduler({ storage: open({ url: server.url }), nodeId: `node-${node}`, jobs: [makeJob()] }),
  )
  for (const scheduler of schedulers) await scheduler.start()
  for (let index = 0; index < wanted; index++) {
    await schedulers[index % 3]?.trigger('work', { key: `run-${index}` })
    if (index === wanted / 2) {
      await server.kill()
      await server.restart()
      // A scheduler does not repeat a failed trigger. So before the next trigger, the test waits until the restarted
      // server answers all schedulers.
      const client = admin(server.url)
      await client.ping()
      await Promise.all(schedulers.map((scheduler) => untilItAnswers(client, () => scheduler.isRunning('work'))))
    }
  }
  await finished
  for (const scheduler of schedulers) await scheduler.shutdown()
  expect([...runs.values()]).toEqual(Array.from({ length: wanted }, () => 1))
  await assertLedger(open({ url: server.url }), { atRest: true })
})

async function untilItAnswers(server: Redis, call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await call()
      return
    } catch {
      await server.ping()
    }
  }
}
