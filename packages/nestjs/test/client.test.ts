import { once } from 'node:events'
import type { Client, JobOperations } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { Injectable, type ModuleMetadata, type OnApplicationShutdown } from '@nestjs/common'
import { Test } from '@nestjs/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  InjectJobs,
  Job,
  JobistemerHealth,
  type JobistemerClientOptions,
  JobistemerModule,
  type JobistemerOptionsFactory,
  jobsToken,
  schedulerToken,
  Task,
} from '../src/index.ts'
import { sharedDatabase, startServer } from './servers.ts'
import { startApp } from './world.ts'

@Job({ name: 'report' })
class Report {
  @Task()
  work() {
    return process.pid
  }
}

async function startClient(options: JobistemerClientOptions, metadata: ModuleMetadata = {}) {
  const imports = [JobistemerModule.forClient(options)]
  const module = await Test.createTestingModule({ ...metadata, imports }).compile()
  const app = module.createNestApplication({ logger: false })
  onTestFinished(() => app.close())
  return app.init()
}

describe('a NestJS application that has a client and no scheduler', () => {
  it('is not a node and runs none of its own jobs, and other processes run the jobs that it requests', async () => {
    const database = memoryDatabase()
    const web = await startClient({ storage: memoryStorage({ database }) }, { providers: [Report] })
    const jobs = web.get<Client>(jobsToken)
    await expect(jobs.trigger('report')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    const worker = await startApp({ providers: [Report] }, { storage: memoryStorage({ database }), nodeId: 'worker' })
    const { id } = await jobs.trigger('report')
    expect(await jobs.waitFor(id)).toMatchObject({ state: 'completed', node: 'worker' })
    expect((await jobs.nodes()).map(({ node }) => node)).toEqual(['worker'])
    expect(() => web.get(schedulerToken)).toThrow('could not find')
    expect(await web.get(JobistemerHealth).isHealthy('jobs')).toEqual({ jobs: { status: 'up', nodes: 1 } })
    await worker.close()
    expect(await web.get(JobistemerHealth).isHealthy('jobs')).toEqual({ jobs: { status: 'up', nodes: 0 } })
  })

  it('sends requests until it ends, and then closes the client; it also closes the storage unless closeStorage is false', async () => {
    const course: string[] = []
    const closing = (name: string) =>
      wrapStorage(memoryStorage(), { close: async () => void course.push(`${name} closed`) })
    @Injectable()
    class Last implements OnApplicationShutdown {
      constructor(@InjectJobs() private readonly jobs: JobOperations) {}
      async onApplicationShutdown() {
        await this.jobs.nodes()
        course.push('asked')
      }
    }
    const app = await startClient({ storage: closing('storage') }, { providers: [Last] })
    await app.close()
    expect(course).toEqual(['asked', 'storage closed'])
    await expect(app.get<Client>(jobsToken).nodes()).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
    expect((await app.get(JobistemerHealth).isHealthy('jobs')).jobs).toMatchObject({ status: 'down' })
    const open = await startClient({ storage: closing('other'), closeStorage: false })
    await open.close()
    expect(course).toEqual(['asked', 'storage closed'])
  })

  it('reads its options from an injected provider', async () => {
    const storage = memoryStorage()
    @Injectable()
    class Options implements JobistemerOptionsFactory<JobistemerClientOptions> {
      createJobistemerOptions() {
        return { storage }
      }
    }
    const imports = [JobistemerModule.forClientAsync({ useClass: Options })]
    const module = await Test.createTestingModule({ imports }).compile()
    onTestFinished(() => module.close())
    await module.init()
    expect(await module.get<Client>(jobsToken).nodes()).toEqual([])
  })

  it('refuses options that only a scheduler has', async () => {
    const wrong = { storage: memoryStorage(), maxConcurrentJobs: 5 }
    await expect(startClient(wrong)).rejects.toMatchObject({ code: 'UNKNOWN_OPTION', field: 'maxConcurrentJobs' })
  })
})

it('a NestJS server with only a client runs no jobs, and answers a pending request after SIGTERM', async () => {
  const { file, client } = sharedDatabase()
  const worker = startServer(new URL('./fixtures/working-server.mjs', import.meta.url), file)
  expect(await once(worker, 'message')).toEqual(['working', undefined])
  const web = startServer(new URL('./fixtures/web.mjs', import.meta.url), file)
  const [port] = await once(web, 'message')
  const get = async (path: string) =>
    (await fetch(`http://127.0.0.1:${port}/${path}`, { headers: { connection: 'close' } })).json()
  expect(await get('run')).toMatchObject({ parent: worker.pid })
  expect((await client.nodes()).map(({ pid }) => pid)).toEqual([worker.pid])
  expect(await get('check')).toEqual({ jobs: { status: 'up', nodes: 1 } })

  const asked = once(web, 'message')
  const answer = get('slow')
  expect(await asked).toEqual(['asked', undefined])
  const told = once(web, 'message')
  const exit = once(web, 'exit')
  web.kill('SIGTERM')
  expect(await told).toEqual(['told to end', undefined])
  web.send('go on')
  const { id } = (await answer) as { id: Parameters<typeof client.waitFor>[0] }
  expect(await exit).toEqual([null, 'SIGTERM'])
  expect((await client.waitFor(id, { timeout: { minutes: 1 } })).state).toBe('completed')
})
