import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { PGliteClient } from '../../src/ledgers/pglite-client.ts'
import { hostPGlite } from '../../src/ledgers/pglite-host.ts'

it('the server that hosts PGlite accepts a new connection after a client has reset the previous connection', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pglite-host-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const host = await hostPGlite(join(folder, 'data'))
  onTestFinished(() => host.stop())
  const socket = connect(host.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`${JSON.stringify({ text: 'SELECT 1', values: [] })}\n`)
  await once(socket, 'data')
  socket.resetAndDestroy()
  await once(socket, 'close')
  const client = new PGliteClient(host.port)
  onTestFinished(() => client.close())
  expect((await client.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }])
})
