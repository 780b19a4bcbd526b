import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, silentLogger } from '@jobistemer/core'
import { createDashboard } from '@jobistemer/dashboard'
import { nodeListener } from '@jobistemer/dashboard/node'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { makeHistory, makeRequests } from './history.ts'
import { Nodes } from './nodes.ts'

/** A running demo, which serves the dashboard. */
export interface Demo {
  /** URL of the dashboard, including its access token. */
  readonly link: string
  stop(): Promise<void>
}

/** Fills a new storage with past runs, starts two nodes, and serves the dashboard on this machine only. */
export async function startDemo(say: (line: string) => void, port = 0): Promise<Demo> {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-busy-night-'))
  const file = join(folder, 'jobs.db')
  const storage = sqliteStorage({ file, synchronous: 'normal' })
  say('Making the past six hours …')
  await makeHistory(storage, Date.now())
  const nodes = new Nodes(file)
  await nodes.start()
  await makeRequests(storage, Date.now())
  const client = createClient({ storage, logger: silentLogger })
  const token = randomBytes(24).toString('base64url')
  const dashboard = createDashboard({ client, token, authorize: () => ({ actor: 'you' }), title: 'A busy night' })
  const server = createServer(nodeListener(dashboard))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  return {
    link: `http://127.0.0.1:${(server.address() as AddressInfo).port}/?token=${token}`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await nodes.stop()
      await client.close()
      await storage.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
