import { createScheduler, defineJob } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { expect, it, onTestFinished } from 'vitest'
import { useSchemas } from './schemas.ts'

const { open, pool, query, schema: newSchema } = useSchemas()

it('while a dropped table causes an outage, a node logs the duration of the outage once a minute', async () => {
  const schema = newSchema()
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const lines: { readonly message: string; readonly forMs: unknown }[] = []
  const error = (fields: { readonly forMs?: unknown }, message: string) => lines.push({ message, forMs: fields.forMs })
  const quiet = () => undefined
  const scheduler = createScheduler({
    storage: open({ pool: pool(), schema }),
    clock,
    logger: { debug: quiet, info: quiet, warn: quiet, error },
    jobs: [defineJob({ name: 'work', tasks: [{ name: 'work', run: () => 1 }] })],
  })
  await scheduler.start()
  onTestFinished(() => scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
  await clock.advance({ seconds: 10 })
  await query(`DROP TABLE ${schema}.live`)
  await clock.advance({ seconds: 200 })
  const said = lines.filter(({ message }) => message.startsWith('calls to the storage still fail'))
  expect(said.map(({ forMs }) => Math.floor(Number(forMs) / 60_000))).toEqual([1, 2, 3])
})
