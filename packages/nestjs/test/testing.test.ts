import type { Scheduler } from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { Module } from '@nestjs/common'
import { Test } from '@nestjs/testing'
import { expect, it } from 'vitest'
import { Job, JobistemerModule, schedulerToken, Task } from '../src/index.ts'
import { withVirtualTime } from '../src/testing/index.ts'

@Job({ name: 'daily', schedule: cron('0 2 * * *') })
class Daily {
  @Task()
  work() {}
}

@Module({ imports: [JobistemerModule.forRoot({ storage: sqliteStorage({ file: ':memory:' }) })], providers: [Daily] })
class AppModule {}

it('withVirtualTime runs a NestJS application’s jobs in virtual time, on a storage that the test gives', async () => {
  const { builder, clock } = withVirtualTime(Test.createTestingModule({ imports: [AppModule] }), {
    storage: memoryStorage(),
    start: '2026-01-01T00:00:00Z',
  })
  const app = (await builder.compile()).createNestApplication({ logger: false })
  await app.init()
  await clock.advance({ days: 3 })
  const { items } = await app.get<Scheduler>(schedulerToken).occurrences({ job: 'daily' })
  expect(items.map(({ state, scheduledAt }) => `${scheduledAt.toISOString()} ${state}`)).toEqual([
    '2026-01-01T02:00:00.000Z completed',
    '2026-01-02T02:00:00.000Z completed',
    '2026-01-03T02:00:00.000Z completed',
  ])
  await app.close()
})
