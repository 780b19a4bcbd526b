import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { host, onPort, type ServerControls, startPrivate } from './private-server.ts'
import { programPath } from './programs.ts'
import { ServerProcess } from './server-process.ts'
import { type ServerUser, serverUser } from './server-user.ts'

export interface PostgresOptions {
  /**
   * Lines of the configuration file, which override the defaults. By default, the server listens only on the loopback interface
   * and asks for no password.
   */
  readonly config?: Readonly<Record<string, string>>
  /** Whether the server skips flushes to disk. It is faster then, but data do not survive a power loss. Default false. */
  readonly quick?: boolean
  /** Port of the server. Default: a free port. */
  readonly port?: number
  /**
   * The folder of the server's data. The data stay there when the server stops. Default: a new folder, which is removed when
   * the server stops. PostgreSQL does not run as root. If root starts the server, the folder is given to another user, who
   * must have access to it.
   */
  readonly directory?: string
  /**
   * URL of a private primary server on this machine. The new server begins as a copy of the primary, and then follows
   * the primary as a standby. A promotion of the standby ends this. Default: the new server is a primary.
   */
  readonly standbyOf?: string
  /** Whether the server has its own process group, so that Ctrl-C does not end it. Default false. */
  readonly ownGroup?: boolean
}

/** A private PostgreSQL server. Its superuser and its database are `postgres`, without a password. */
export interface PostgresServer extends ServerControls {
  /** URL that connects over TCP. */
  readonly url: string
  /** URL that connects over the server's Unix socket. */
  readonly socketUrl: string
  readonly host: string
  readonly port: number
  /** The folder of the server's Unix socket. */
  readonly socketFolder: string
  readonly directory: string
  /** Ends the server immediately without a checkpoint, like a crash. The data stay for {@link PostgresServer.restart}. */
  kill(): Promise<void>
}

const quickConfig = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }

/**
 * Starts a PostgreSQL server. @throws Error if a program is missing and cannot be installed, or if the server does not
 * start, with its output
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  return await onPort(options.port, (port) => startOnPort(options, port))
}

async function startOnPort(options: PostgresOptions, port: number): Promise<PostgresServer> {
  const { config = {}, quick = false, standbyOf } = options
  const user = serverUser()
  // The path of PostgreSQL's socket must not be longer than about 100 characters. So the socket gets a new temporary folder
  // with a short path, because the path of `directory` may be long.
  const socketFolder = mkdtempSync(join(tmpdir(), 'jobistemer-postgres-'))
  const directory = options.directory ?? socketFolder
  mkdirSync(directory, { recursive: true })
  for (const folder of [socketFolder, directory]) if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const removeOwn = () => rmSync(socketFolder, { recursive: true, force: true })
  const url = `postgres://postgres@${host}:${port}/postgres`
  const data = join(directory, 'data')
  const server = new ServerProcess({
    program: programPath('postgres'),
    args: ['-D', data],
    directory,
    ownGroup: options.ownGroup,
    user,
    // SIGINT ends the server at once. After SIGTERM, the server would wait until every client has disconnected. After
    // SIGKILL, its child processes would continue to run.
    stopSignal: 'SIGINT',
    killSignal: 'SIGQUIT',
    probe: () => ping(url),
  })
  const prepare = () => {
    if (standbyOf === undefined) initialize(data, user)
    else copy(standbyOf, data, user)
    const settings = {
      listen_addresses: host,
      port: String(port),
      unix_socket_directories: socketFolder,
      ...(quick ? quickConfig : {}),
      ...(standbyOf !== undefined && { primary_conninfo: standbyOf }),
      ...config,
    }
    // The settings stand in `postgresql.auto.conf`, because this file has precedence over `postgresql.conf`.
    writeFileSync(join(data, 'postgresql.auto.conf'), Object.entries(settings).map(toLine).join(''))
  }
  const socketUrl = `postgres://postgres@/postgres?host=${encodeURIComponent(socketFolder)}&port=${port}`
  const details = { url, socketUrl, host, port, socketFolder, directory }
  return await startPrivate(details, { server, prepare, removeOwn })
}

const initialOptions = ['-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--no-locale', '--no-sync']

/** Prepared data folders of this workspace. `initdb` takes about 2 s of processor time, and a copy less than 0.5 s. */
const preparedFolder = fileURLToPath(new URL('../../../node_modules/.cache/jobistemer-postgres', import.meta.url))

/** Copies the prepared data. The user of the server creates the folder, so an unreachable folder causes an error. */
function initialize(data: string, user: ServerUser | undefined): void {
  if (existsSync(join(data, 'PG_VERSION'))) return
  if (!existsSync(data)) run('mkdir', ['-m', '700', data], data, user)
  run('cp', ['-a', `${preparedData(user)}/.`, data], data, undefined)
}

/** Returns the folder that `initdb` has prepared for this version of PostgreSQL, and creates this folder if it is missing. */
function preparedData(user: ServerUser | undefined): string {
  const program = realpathSync(programPath('initdb'))
  const identity = [program, statSync(program).mtimeMs, user?.uid ?? process.getuid?.(), ...initialOptions]
  const prepared = join(preparedFolder, createHash('sha256').update(identity.join('\n')).digest('hex').slice(0, 16))
  if (existsSync(prepared)) return prepared
  mkdirSync(preparedFolder, { recursive: true })
  // The server's user may have no access to the workspace, so `initdb` writes to a temporary folder.
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-initdb-'))
  const own = mkdtempSync(join(preparedFolder, 'new-'))
  try {
    if (user !== undefined) chownSync(folder, user.uid, user.gid)
    makeData('initdb', ['-D', join(folder, 'data'), ...initialOptions], join(folder, 'data'), user)
    run('cp', ['-a', join(folder, 'data'), own], own, undefined)
    // A rename is atomic. It fails if another process has prepared the same data in the meantime.
    renameSync(join(own, 'data'), prepared)
  } catch (error) {
    if (!existsSync(prepared)) throw error
  } finally {
    for (const one of [folder, own]) rmSync(one, { recursive: true, force: true })
  }
  return prepared
}

/** Copies a primary's data. `-R` creates the file that makes the server a standby. */
function copy(primary: string, data: string, user: ServerUser | undefined): void {
  makeData('pg_basebackup', ['-D', data, '-d', primary, '-R', '-X', 'stream', '-c', 'fast', '--no-sync'], data, user)
}

function makeData(program: string, args: readonly string[], data: string, user: ServerUser | undefined): void {
  if (existsSync(join(data, 'PG_VERSION'))) return
  run(program, args, data, user)
}

function run(program: string, args: readonly string[], data: string, user: ServerUser | undefined): void {
  const { status, error, stdout, stderr } = spawnSync(programPath(program), args, { encoding: 'utf8', ...user })
  if (error !== undefined) throw error
  if (status === 0) return
  const remedy = /Permission denied/.test(stderr) && user !== undefined ? unreachable(data) : ''
  throw new Error(`${program} ended with code ${status}:\n${stdout}${stderr}${remedy}`)
}

/** Returns the error message for root if the user who runs PostgreSQL cannot access the data folder. */
function unreachable(data: string): string {
  return `PostgreSQL does not run as root: another user must reach ${data}. Run "chmod o+x" on the folders above it, or choose another one.`
}

function toLine([name, value]: readonly [string, string]): string {
  return `${name} = '${value.replaceAll("'", "''")}'\n`
}

/** Resolves when the server has recovered its data and answers queries. */
async function ping(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  // The call in progress rejects with the same error, so this listener ignores the event.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT 1')
  } finally {
    await client.end()
  }
}
