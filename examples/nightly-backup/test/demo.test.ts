import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createScheduler } from '@jobistemer/core'
import { redisStorage } from '@jobistemer/storage-redis'
import { startRedis } from '@jobistemer/test-servers'
import Database from 'better-sqlite3'
import { expect, it, onTestFinished } from 'vitest'
import { jobName } from '../src/backup-job.ts'
import { isThorough } from '../../../packages/workspace/test-effort.ts'
import { type DemoProcess, isAlive, startDemo } from './demo-process.ts'
import { createDatabase, temporaryFolder } from './world.ts'

function demoOfTest(...args: readonly string[]): DemoProcess {
  const demo = startDemo(...args)
  onTestFinished(() => demo.stop())
  return demo
}

/** Creates a folder with a small database. Returns the folder, and the options with which the demo backs up this database. */
function smallWorld(): { readonly folder: string; readonly options: readonly string[] } {
  const folder = temporaryFolder()
  const database = join(folder, 'my.db')
  createDatabase(database)
  return { folder, options: ['--db', database, '--out', join(folder, 'out')] }
}

/** Sends SIGINT to the demo. Expects that the demo and its nodes end. */
async function interrupt(demo: DemoProcess): Promise<void> {
  const [, a, b] = await demo.said(/A is process (\d+), B is process (\d+)/)
  const alive = () => [a, b].map((node) => isAlive(Number(node)))
  expect(alive()).toEqual([true, true])
  demo.child.kill('SIGINT')
  expect(await demo.ended).toBe(130)
  expect(demo.output()).toContain('ended by SIGINT')
  expect(alive()).toEqual([false, false])
}

// `npm test` tests SIGINT with a server that the user names.
it.runIf(isThorough)('SIGINT ends the demo and its nodes at once', async () => {
  await interrupt(demoOfTest(...smallWorld().options))
})

it('after Ctrl-C, the demo stops its server only after its nodes have handed back their runs', async () => {
  const { folder, options } = smallWorld()
  // A large table makes the compression take long enough for an interruption.
  const database = new Database(options[1] as string)
  database.exec('CREATE TABLE noise AS SELECT randomblob(60000000) AS bytes')
  database.close()
  const demo = demoOfTest('--storage', 'redis', ...options)
  const [, server] = await demo.said(/redis, process (\d+)/)
  await demo.said(/backup {4}attempt 1 on [AB] succeeded/)
  // The server has a separate process group, so the signal to the group of the demo does not reach the server.
  expect(isAlive(-Number(server))).toBe(true)
  process.kill(-(demo.child.pid as number), 'SIGINT')
  expect(await demo.ended).toBe(130)
  expect(isAlive(Number(server))).toBe(false)

  const revived = await startRedis({ directory: join(folder, 'out', 'redis'), config: { appendonly: 'yes' } })
  onTestFinished(() => revived.stop())
  const storage = redisStorage({ url: revived.url, prefix: 'jobistemer-demo' })
  onTestFinished(() => storage.close())
  const [occurrence] = (await createScheduler({ storage }).occurrences({ job: jobName })).items
  expect(occurrence?.state).toBe('pending')
  expect(occurrence?.tasks.at(-1)?.attempts.map(({ state }) => state)).toEqual(['aborted'])
})

it('if a node of the demo dies unexpectedly, the demo prints the reason and stops the other node and the server', async () => {
  const demo = demoOfTest('--storage', 'redis', ...smallWorld().options)
  const [, server] = await demo.said(/redis, process (\d+)/)
  const [, a, b] = await demo.said(/A is process (\d+), B is process (\d+)/)
  process.kill(Number(b), 'SIGKILL')
  expect(await demo.ended).toBe(1)
  expect(demo.output()).toContain('Node B ended by itself (SIGKILL)')
  expect([a, server].map((processId) => isAlive(Number(processId)))).toEqual([false, false])
})

it('SIGINT ends the demo and its nodes, but not the server that the user names for the ledger', async () => {
  const server = await startRedis({ config: { appendonly: 'yes' } })
  onTestFinished(() => server.stop())
  const demo = demoOfTest('--storage', 'redis', '--redis-url', server.url, '--seconds', '5', ...smallWorld().options)
  const [, prefix] = await demo.said(/all keys begin with \{([\w-]+)/)
  await demo.said(/rotate {4}attempt 1 on [AB] succeeded/)
  await interrupt(demo)
  const storage = redisStorage({ url: server.url, prefix: prefix as string })
  onTestFinished(() => storage.close())
  expect((await createScheduler({ storage }).occurrences({ job: jobName })).items.length).toBeGreaterThan(0)
})

it('the demo refuses a server that does not answer, and prints no password', async () => {
  const options = ['--storage', 'redis', '--redis-url', 'redis://me:secret@127.0.0.1:1']
  const demo = demoOfTest(...options, ...smallWorld().options)
  expect(await demo.ended).toBe(2)
  expect(demo.output()).toContain('--redis-url redis://***@127.0.0.1:1 cannot be used')
  expect(demo.output()).not.toContain('secret')
})

it('the demo refuses a --db file that does not exist, and creates no file or folder', async () => {
  const folder = temporaryFolder()
  const demo = demoOfTest('--db', join(folder, 'missing.db'), '--out', join(folder, 'out'))
  expect(await demo.ended).toBe(2)
  expect(demo.output()).toContain('missing.db does not exist')
  expect(existsSync(join(folder, 'out'))).toBe(false)
  expect(readdirSync(folder)).toEqual([])
})

it('the demo prints its usage if an option is invalid', async () => {
  const demo = demoOfTest('--storage', 'papyrus')
  expect(await demo.ended).toBe(2)
  expect(demo.output()).toMatch(/--storage is not a storage of this demo: "papyrus".*\n\nUsage: npm run demo/)
})
