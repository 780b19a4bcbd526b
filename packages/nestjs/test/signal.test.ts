import { once } from 'node:events'
import { expect, it } from 'vitest'
import { lives, sharedDatabase, startServer } from './servers.ts'

it('a NestJS application that receives SIGTERM lets its running job end, and then ends by the same signal', async () => {
  const { file, client } = sharedDatabase()
  const server = startServer(new URL('./fixtures/server.mjs', import.meta.url), file)
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
  // After its shutdown, Nest sends the signal to its own process again. So the signal ends the process.
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGTERM' })
})

it('a NestJS application that receives SIGTERM releases the run of an endless isolated task, and leaves no child process', async () => {
  const { file, client } = sharedDatabase()
  const server = startServer(new URL('./fixtures/isolating-server.mjs', import.meta.url), file)
  expect(await once(server, 'message')).toEqual(['listening', undefined])
  const began = once(server, 'message')
  const { id } = await client.trigger('rendering')
  const pid = Number((await began)[0])
  expect(lives(pid)).toBe(true)
  const exit = once(server, 'exit')
  server.kill('SIGTERM')
  expect(await exit).toEqual([null, 'SIGTERM'])
  const { state, tasks } = await client.occurrence(id)
  expect({ state, attempts: tasks[0]?.attempts.map((attempt) => attempt.state) }).toEqual({
    state: 'pending',
    attempts: ['aborted'],
  })
  // The kernel may end the killed child after the server.
  await expect.poll(() => lives(pid), { timeout: 20_000 }).toBe(false)
})
