import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, createClient, createScheduler, type Scheduler, silentLogger } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { createDashboard, type Dashboard, type DashboardOptions } from '../src/index.ts'
import { nodeListener } from '../src/node.ts'
import { Gate, jobsOf } from './jobs.ts'

/** A storage with a running node, a client, and dashboards over the client. */
export interface World {
  readonly storage: Storage
  readonly scheduler: Scheduler
  readonly client: Client
  /** The gate that blocks the handler of the job `blocked`. */
  readonly gate: Gate
  dashboard(options?: Partial<DashboardOptions>): Dashboard
  /** Serves a dashboard until `end` is called. Returns its origin. */
  serve(dashboard: Dashboard): Promise<string>
  end(): Promise<void>
}

export const basePath = '/admin/jobs'

export async function createWorld(options: { readonly storage?: Storage } = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-dashboard-'))
  const storage = options.storage ?? sqliteStorage({ file: join(folder, 'jobs.db'), synchronous: 'normal' })
  const gate = new Gate()
  const scheduler = createScheduler({ storage, jobs: jobsOf(gate), nodeId: 'worker-1', logger: silentLogger })
  await scheduler.start()
  const client = createClient({ storage, logger: silentLogger })
  const ends: (() => Promise<unknown>)[] = []
  return {
    storage,
    scheduler,
    client,
    gate,
    dashboard: (more = {}) => createDashboard({ client, basePath, authorize: () => true, ...more }),
    serve: async (dashboard) => {
      const server = createServer(nodeListener(dashboard))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      ends.push(async () => {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      })
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    },
    end: async () => {
      gate.open()
      for (const end of ends) await end()
      await client.close()
      await scheduler.shutdown({ gracePeriod: { seconds: 5 } })
      await storage.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Passes an HTTP request directly to a dashboard, without a server. `path` comes after the base path. */
export function ask(dashboard: Dashboard, path: string, init: RequestInit = {}): Promise<Response> {
  return dashboard(new Request(`http://localhost${basePath}${path}`, init))
}

export function post(dashboard: Dashboard, path: string, body: unknown, headers: Record<string, string> = {}) {
  return ask(dashboard, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-jobistemer': '1', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** Returns the JSON body of a dashboard's answer. */
export async function jsonOf<T>(response: Response | Promise<Response>): Promise<T> {
  return (await (await response).json()) as T
}
