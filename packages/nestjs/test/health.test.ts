import { memoryStorage } from '@jobistemer/storage-memory'
import { Controller, Get, Inject } from '@nestjs/common'
import { HealthCheckService, TerminusModule } from '@nestjs/terminus'
import { hostname } from 'node:os'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { JobistemerHealth } from '../src/index.ts'
import { createApp, startApp } from './world.ts'

it('JobistemerHealth is up while the node works and the storage answers', async () => {
  const app = await startApp({}, { nodeId: 'web-1' })
  expect(await app.get(JobistemerHealth).isHealthy('jobs')).toEqual({
    jobs: { status: 'up', node: 'web-1', state: 'working', running: 0, nodes: 1 },
  })
})

it('JobistemerHealth is down if the storage does not answer, before the start, and after the end', async () => {
  const storage = memoryStorage()
  const app = await startApp({}, { storage })
  const health = app.get(JobistemerHealth)
  await app.close()
  expect((await health.isHealthy()).jobistemer).toMatchObject({ status: 'down' })
  const idle = await startApp({}, { start: false })
  expect((await idle.get(JobistemerHealth).isHealthy()).jobistemer).toMatchObject({ status: 'down' })
})

describe('JobistemerHealth beside the node record of an earlier process with the same name and id', () => {
  // The node record of an earlier start with equal node name and process id, as in a container.
  const earlierLife = (leaving: boolean) => ({
    node: 'web-1',
    // This incarnation sorts after the incarnations of all real nodes.
    incarnation: 'zzzzzzzzzzzz',
    counter: 5,
    startedAt: 1000,
    leaving,
    about: { host: hostname(), pid: process.pid, maxConcurrentJobs: 10, deadAfterMs: 30_000, running: 1 },
  })
  async function startedBeside(leaving: boolean, start: boolean) {
    const storage = memoryStorage()
    const app = await startApp({}, { storage, nodeId: 'web-1', start })
    await storage.heartbeat({ now: Date.now(), own: earlierLife(leaving), remove: [], profilesOf: [] })
    return app.get(JobistemerHealth).isHealthy('jobs')
  }

  it('is up while the node of its own process works', async () => {
    expect((await startedBeside(true, true)).jobs).toMatchObject({ status: 'up', state: 'working', running: 0 })
  })

  it('is down while its own process runs no node', async () => {
    expect((await startedBeside(false, false)).jobs).toMatchObject({ status: 'down', state: 'unknown' })
  })
})

it('JobistemerHealth works as an indicator of @nestjs/terminus', async () => {
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
