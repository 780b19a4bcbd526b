import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { host, onPort, type ServerControls, startPrivate } from './private-server.ts'
import { programPath } from './programs.ts'
import { ServerProcess } from './server-process.ts'

export type RedisProduct = 'redis' | 'valkey'

export interface RedisOptions {
  /** The server to start: Redis or Valkey. Default `redis`. */
  readonly product?: RedisProduct
  /**
   * Lines of the configuration file, which override the defaults. By default, the server listens only on the loopback
   * interface, asks for no password, and stores nothing on disk.
   */
  readonly config?: Readonly<Record<string, string>>
  /** Port of the server. Default: a free port. */
  readonly port?: number
  /**
   * The folder of the server's data. The data stay there when the server stops. Default: a new folder, which is removed when
   * the server stops.
   */
  readonly directory?: string
  /** Whether the server has its own process group, so that Ctrl-C does not end it. Default false. */
  readonly ownGroup?: boolean
}

/** A private Redis or Valkey server. */
export interface RedisServer extends ServerControls {
  /** The server's URL, with the password if there is one. */
  readonly url: string
  readonly host: string
  readonly port: number
  readonly directory: string
}

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return await onPort(options.port, (port) => startOnPort(options, port))
}

async function startOnPort(options: RedisOptions, port: number): Promise<RedisServer> {
  const { product = 'redis', config = {} } = options
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), `jobistemer-${product}-`))
  mkdirSync(directory, { recursive: true })
  const removeOwn = () => {
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true })
  }
  const settings = { bind: host, port: String(port), dir: directory, save: '""', appendonly: 'no', ...config }
  const file = join(directory, 'server.conf')
  writeFileSync(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name} ${value}\n`)
      .join(''),
  )
  const url = `redis://${config.requirepass === undefined ? '' : `:${encodeURIComponent(config.requirepass)}@`}${host}:${port}`
  const server = new ServerProcess({
    program: programPath(`${product}-server`),
    args: [file],
    directory,
    ownGroup: options.ownGroup,
    probe: (pid) => assertAnswers(url, pid),
  })
  return await startPrivate({ url, host, port, directory }, { server, removeOwn })
}

/**
 * Resolves when the server with this process id has read its data and answers. Rejects if another server has taken its
 * port.
 */
async function assertAnswers(url: string, pid: number): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 })
  // The call in progress rejects with the same error, so this listener ignores the event.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.ping()
    const info = await client.info('server')
    if (!new RegExp(`^process_id:${pid}\\r`, 'm').test(info))
      throw new Error(`Another Redis server than the started process ${pid} answers at ${url}.`)
  } finally {
    client.disconnect()
  }
}
