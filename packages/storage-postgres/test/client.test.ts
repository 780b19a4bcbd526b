import { createClient } from '@jobistemer/core'
import { clientTrial } from '@jobistemer/test-kit'
import { startPostgres } from '@jobistemer/test-servers'
import { expect, inject, it, onTestFinished } from 'vitest'
import { postgresStorage } from '../src/index.ts'
import { useSchemas } from './schemas.ts'

const { pool, schema: newSchema } = useSchemas()

it('a client without code performs every operation on jobs that another process runs', async () => {
  const schema = newSchema()
  const module = new URL('./fixtures/connect.mjs', import.meta.url)
  const argument = { url: inject('postgres').url, schema }
  const connect = () => postgresStorage({ pool: pool(), schema })
  await expect(clientTrial({ module, argument, connect })).resolves.toBeUndefined()
})

it('a client whose PostgreSQL server is down rejects calls within their timeout, and works once the server runs again', async () => {
  const server = await startPostgres()
  onTestFinished(() => server.stop())
  await server.kill()
  const storage = postgresStorage({ url: server.url })
  const client = createClient({ storage, callTimeout: 300 })
  onTestFinished(async () => {
    await client.close()
    await storage.close()
  })
  const answers = await Promise.allSettled([client.jobs(), client.trigger('report'), client.nodes()])
  expect(answers).toMatchObject(
    Array.from({ length: 3 }, () => ({ status: 'rejected', reason: { code: expect.stringMatching(/^STORAGE_/) } })),
  )
  await server.restart()
  await expect.poll(() => client.jobs().catch(() => null), { timeout: 20_000 }).toEqual({ items: [], cursor: null })
})
