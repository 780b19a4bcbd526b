import { type PostgresServer, startPostgres } from '@jobistemer/test-servers'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    readonly postgres: Pick<PostgresServer, 'url' | 'socketUrl' | 'host' | 'port'>
  }
}

// One server for all test files, and a schema for each test. These tests do not depend on durability, so the server skips
// flushes. Some tests count reads and updates of rows. An autovacuum worker at the same time would change these counts, so the
// server starts none.
let server: PostgresServer | undefined

export async function setup(project: TestProject): Promise<void> {
  server = await startPostgres({ quick: true, config: { max_connections: '200', autovacuum_naptime: '1d' } })
  const { url, socketUrl, host, port } = server
  project.provide('postgres', { url, socketUrl, host, port })
}

export async function teardown(): Promise<void> {
  // `kill` omits the checkpoint of all schemas before the end.
  await server?.kill()
  await server?.stop()
}
