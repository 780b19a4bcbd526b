import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { host, onPort, type ServerControls, startPrivate } from './private-server.ts'
import type { PostgresServer } from './postgres.ts'
import { programPath } from './programs.ts'
import { ServerProcess } from './server-process.ts'
import { serverUser } from './server-user.ts'

export interface PgBouncerOptions {
  /** The PostgreSQL server behind the pooler. */
  readonly to: Pick<PostgresServer, 'host' | 'port'>
  /** How long a client keeps its connection to the server. Default `transaction`. */
  readonly poolMode?: 'session' | 'transaction' | 'statement'
  /**
   * Lines of the section `pgbouncer` of the configuration file, which override the defaults. By default, the pooler listens
   * only on the loopback interface and asks for no password.
   */
  readonly config?: Readonly<Record<string, string>>
  /** Port of the pooler. Default: a free port. */
  readonly port?: number
}

/** A private PgBouncer. It connects its clients to the databases of the server behind it, always as the user `postgres`. */
export interface PgBouncerServer extends ServerControls {
  readonly url: string
  readonly host: string
  readonly port: number
}

/**
 * Starts a PgBouncer. @throws Error if a program is missing and cannot be installed, or if the pooler does not start,
 * with its output
 */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncerServer> {
  return await onPort(options.port, (port) => startOnPort(options, port))
}

async function startOnPort(options: PgBouncerOptions, port: number): Promise<PgBouncerServer> {
  const { to, poolMode = 'transaction', config = {} } = options
  const user = serverUser()
  const directory = mkdtempSync(join(tmpdir(), 'jobistemer-pgbouncer-'))
  if (user !== undefined) chownSync(directory, user.uid, user.gid)
  const settings = {
    listen_addr: host,
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: poolMode,
    // If a client sends one of these settings when it connects, the pooler ignores the setting. By default the pooler
    // would reject the client.
    ignore_startup_parameters: 'extra_float_digits,options',
    ...config,
  }
  const file = join(directory, 'pgbouncer.ini')
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
  writeFileSync(
    file,
    `[databases]\n* = host=${to.host} port=${to.port} user=postgres\n[pgbouncer]\n${lines.join('')}`,
    { mode: 0o644 },
  )
  const url = `postgres://postgres@${host}:${port}/postgres`
  const server = new ServerProcess({
    program: programPath('pgbouncer'),
    args: [file],
    directory,
    user,
    // SIGQUIT ends the pooler at once. After SIGTERM or SIGINT, the pooler would wait for its clients.
    stopSignal: 'SIGQUIT',
    probe: () => ping(port),
  })
  const removeOwn = () => rmSync(directory, { recursive: true, force: true })
  return await startPrivate({ url, host, port }, { server, removeOwn })
}

/** Resolves when the pooler answers, even if the server behind it does not. */
async function ping(port: number): Promise<void> {
  const client = new Client({ host, port, user: 'postgres', database: 'pgbouncer', connectionTimeoutMillis: 5000 })
  // The call in progress rejects with the same error, so this listener ignores the event.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SHOW VERSION')
  } finally {
    await client.end()
  }
}
