import { memoryStorage } from '@jobistemer/storage-memory'
import { Controller, Get, Inject } from '@nestjs/common'
import { HealthCheckService, TerminusModule } from '@nestjs/terminus'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { JobistemerHealth } from '../src/index.ts'
import { createApp, startApp } from './world.ts'

it('is up while the node works and the storage answers', async () => {
  const app = await startApp({}, { nodeId: 'web-1' })
  expect(await app.get(JobistemerHealth).isHealthy('jobs')).toEqual({
    jobs: { status: 'up', node: 'web-1', state: 'working', running: 0, nodes: 1 },
  })
})

it('is down when the storage does not answer, before the start and after the end', async () => {
  const storage = memoryStorage()
  const app = await startApp({}, { storage })
  const health = app.get(JobistemerHealth)
  await app.close()
  expect((await health.isHealthy()).jobistemer).toMatchObject({ status: 'down' })
  const idle = await startApp({}, { start: false })
  expect((await idle.get(JobistemerHealth).isHealthy()).jobistemer).toMatchObject({ status: 'down' })
})

it('is an indicator of @nestjs/terminus', async () => {
  @Controller('health')
  class Health {
    constructor(
      @Inject(HealthCheckService) private readonly health: HealthCheckService,
      @Inject(JobistemerHealth) private readonly jobs: JobistemerHealth,
    ) {}
    @Get()
    check() {
      return this.health.check([() => this.jobs.isHealthy('jobs') as never])
    }
  }
  const ask = async (start: boolean) => {
    const app = await createApp(
      { imports: [TerminusModule.forRoot({ logger: false })], controllers: [Health] },
      { start },
    )
    await app.listen(0, '127.0.0.1')
    const { port } = app.getHttpServer().address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}/health`)
    return [response.status, ((await response.json()) as { details: { jobs: { status: string } } }).details.jobs.status]
  }
  expect(await ask(true)).toEqual([200, 'up'])
  expect(await ask(false)).toEqual([503, 'down'])
})
