import { createClient } from '@jobistemer/core'
import { clientTrial } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { connect } from './fixtures/connect.mjs'
import { newPrefix } from './prefixes.ts'
import { useServers } from './servers.ts'

const { start, open, onClose } = useServers()
const module = new URL('./fixtures/connect.mjs', import.meta.url)

it('a client without code performs every operation on jobs that another process runs', async () => {
  const { url } = await start()
  const argument = { url, prefix: newPrefix() }
  await expect(clientTrial({ module, argument, connect: () => connect(argument) })).resolves.toBeUndefined()
})

it('a client whose Redis server is down rejects calls within their timeout, and works once the server runs again', async () => {
  const server = await start({ appendonly: 'yes' })
  await server.kill()
  const client = createClient({ storage: open({ url: server.url }), callTimeout: 300 })
  onClose(() => client.close())
  const answers = await Promise.allSettled([client.jobs(), client.trigger('report'), client.nodes()])
  expect(answers).toMatchObject(
    Array.from({ length: 3 }, () => ({ status: 'rejected', reason: { code: expect.stringMatching(/^STORAGE_/) } })),
  )
  await server.restart()
  await expect.poll(() => client.jobs().catch(() => null), { timeout: 20_000 }).toEqual({ items: [], cursor: null })
})
