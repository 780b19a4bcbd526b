import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { expect, it, onTestFinished } from 'vitest'

it('an application that gets SIGTERM while a job runs lets it end, and then ends itself', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-nest-'))
  const file = join(folder, 'jobs.db')
  const program = fileURLToPath(new URL('./fixtures/server.mjs', import.meta.url))
  const server = fork(program, [file], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const storage = sqliteStorage({ file })
  const client = createClient({ storage })
  onTestFinished(async () => {
    server.kill('SIGKILL')
    await client.close()
    await storage.close()
    rmSync(folder, { recursive: true })
  })
  expect(await once(server, 'message')).toEqual(['listening', undefined])
  const began = once(server, 'message')
  const { id } = await client.trigger('long')
  expect(await began).toEqual(['began', undefined])
  const exit = once(server, 'exit')
  const told = once(server, 'message')
  server.kill('SIGTERM')
  expect(await told).toEqual(['told to end', undefined])
  server.send('go on')
  const [code, signal] = await exit
  const { state, tasks } = await client.occurrence(id)
  expect({ state, result: tasks[0]?.result }).toEqual({ state: 'completed', result: 'ended by itself' })
  // Nest sends itself the signal again when all is done.
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGTERM' })
})
