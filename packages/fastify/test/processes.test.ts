import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient, type OccurrenceId } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { expect, it, onTestFinished } from 'vitest'

/** Creates a SQLite file that several processes share, and a client of that file. */
function sharedDatabase() {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-fastify-'))
  const file = join(folder, 'jobs.db')
  const storage = sqliteStorage({ file })
  const client = createClient({ storage })
  onTestFinished(async () => {
    await client.close()
    await storage.close()
    rmSync(folder, { recursive: true })
  })
  return { file, client }
}

function startServer(program: URL, file: string): ChildProcess {
  const server = fork(fileURLToPath(program), [file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  onTestFinished(() => void server.kill('SIGKILL'))
  return server
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // ESRCH: no process has this id.
    return false
  }
}

it('a Fastify server with only a client runs no jobs, and answers a pending request after SIGTERM', async () => {
  const { file, client } = sharedDatabase()
  const worker = startServer(new URL('./fixtures/worker.mjs', import.meta.url), file)
  expect(await once(worker, 'message')).toEqual(['working', undefined])
  const web = startServer(new URL('./fixtures/web.mjs', import.meta.url), file)
  const [port] = await once(web, 'message')
  const get = async (path: string) =>
    (await fetch(`http://127.0.0.1:${port}/${path}`, { headers: { connection: 'close' } })).json()
  const [plan, render] = (await get('run')) as [{ parent: number }, { pid: number }]
  expect(plan).toEqual({ parent: worker.pid })
  expect([worker.pid, web.pid]).not.toContain(render.pid)
  expect((await client.nodes()).map(({ pid }) => pid)).toEqual([worker.pid])

  const asked = once(web, 'message')
  const answer = get('slow')
  expect(await asked).toEqual(['asked', undefined])
  const told = once(web, 'message')
  const exit = once(web, 'exit')
  web.kill('SIGTERM')
  expect(await told).toEqual(['told to end', undefined])
  web.send('go on')
  const { id } = (await answer) as { id: OccurrenceId }
  expect(await exit).toEqual([0, null])
  expect((await client.waitFor(id, { timeout: { minutes: 1 } })).state).toBe('completed')
})

it('a closing Fastify server hands back the run of an endless isolated task, and leaves no child process', async () => {
  const { file, client } = sharedDatabase()
  const worker = startServer(new URL('./fixtures/worker.mjs', import.meta.url), file)
  expect(await once(worker, 'message')).toEqual(['working', undefined])
  const began = once(worker, 'message')
  const { id } = await client.trigger('endless')
  const pid = Number((await began)[0])
  expect(lives(pid)).toBe(true)
  const exit = once(worker, 'exit')
  worker.kill('SIGTERM')
  expect(await exit).toEqual([0, null])
  const { state, tasks } = await client.occurrence(id)
  expect({ state, attempts: tasks[0]?.attempts.map((attempt) => attempt.state) }).toEqual({
    state: 'pending',
    attempts: ['aborted'],
  })
  // The kernel may end the killed child after the server.
  await expect.poll(() => lives(pid), { timeout: 20_000 }).toBe(false)
})
