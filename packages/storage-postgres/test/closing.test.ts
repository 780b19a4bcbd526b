import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { postgresStorage } from '../src/index.ts'

it('closing does not wait for a server that takes connections and never says a word', async () => {
  const mute = createServer((socket) => onTestFinished(() => void socket.destroy())).listen(0, '127.0.0.1')
  onTestFinished(() => void mute.close())
  await once(mute, 'listening')
  const { port } = mute.address() as AddressInfo
  const storage = postgresStorage({ url: `postgres://me@127.0.0.1:${port}/mine`, commandTimeout: 200 })
  await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject({ code: 'STORAGE_BUSY' })
  await storage.close()
})
