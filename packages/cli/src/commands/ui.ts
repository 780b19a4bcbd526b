import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Client, Clock } from '@jobistemer/core'
import { CliError } from '../cli-error.ts'
import type { Command, Context } from '../command.ts'
import { actorOf } from '../intervention-options.ts'
import { text } from '../output/rendered.ts'
import { importPackage } from '../storage/import-package.ts'
import { readCount } from '../values.ts'

interface Options {
  readonly port?: number
  readonly readOnly?: true
}

// The exports of `@jobistemer/dashboard` that this command uses. The command imports the package on demand.
interface DashboardPackage {
  createDashboard(options: {
    readonly client: Client
    readonly basePath: string
    readonly authorize: () => { readonly actor: string; readonly seesAll: boolean }
    readonly readOnly: boolean
    readonly title: string
    readonly clock: Clock
  }): (request: Request) => Promise<Response>
}

interface WrapperPackage {
  nodeListener(
    dashboard: (request: Request) => Promise<Response>,
  ): (request: IncomingMessage, response: ServerResponse) => void
}

const dashboardPackage = '@jobistemer/dashboard'
/** The dashboard server accepts connections only from this machine. */
const loopback = '127.0.0.1'
const longestTitle = 100

/** `jobistemer ui`. */
export const ui: Command = {
  description:
    'Serves the dashboard for this storage, on this machine alone, until Ctrl-C. The link that it prints is secret: it allows everything.',
  options: [
    {
      flags: '--port <port>',
      description: 'where to listen (default: any free port)',
      parse: readCount('--port', 1, 65_535),
    },
    { flags: '--read-only', description: 'only show, and refuse every action' },
  ],
  examples: [
    ['ui', 'look at the storage of the configuration'],
    ['ui --storage redis://localhost:6379 --read-only --port 4000', 'only look, at a fixed port'],
  ],
  async run(context: Context, _arguments, { port = 0, readOnly }: Options) {
    const { cwd } = context.io
    const how = { cwd, field: 'ui' }
    const [{ createDashboard }, { nodeListener }] = await Promise.all([
      importPackage<DashboardPackage>(dashboardPackage, how),
      importPackage<WrapperPackage>(`${dashboardPackage}/node`, { ...how, install: dashboardPackage }),
    ])
    const client = await context.client()
    // Tests the storage. If the storage is unavailable, this call throws before the command prints a link.
    await client.counts(undefined, context.call)
    // The secret token is in the path and not in a cookie. A browser would send a cookie also to servers at other ports of
    // this machine.
    const basePath = `/${randomBytes(24).toString('base64url')}`
    const actor = actorOf(context)
    const dashboard = createDashboard({
      client,
      basePath,
      authorize: () => ({ actor, seesAll: true }),
      readOnly: readOnly === true,
      title: context.session.place.slice(0, longestTitle),
      clock: await context.session.clock(),
    })
    const answer = nodeListener(dashboard)
    const server = createServer((request, response) => {
      if (isOwnHost(request)) answer(request, response)
      else response.writeHead(421, { 'content-type': 'text/plain' }).end(`Open http://${loopback}, by this name.\n`)
    })
    await listen(server, port)
    const url = `http://${loopback}:${(server.address() as AddressInfo).port}${basePath}/`
    if (context.out.isJson) context.out.json({ url, storage: context.session.place, readOnly: readOnly === true })
    else {
      context.out.line(text`${context.session.place}: ${url}`)
      context.err.line('Ctrl-C ends it.')
    }
    await ended(context.signal)
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  },
}

/**
 * Returns whether the request names a host name of this machine. The check prevents DNS rebinding. In this attack, the host
 * name of another site resolves to this machine. A page of that site could then read the answers of this server.
 */
function isOwnHost({ headers, socket }: IncomingMessage): boolean {
  return headers.host === `${loopback}:${socket.localPort}` || headers.host === `localhost:${socket.localPort}`
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new CliError({
          code: 'PORT_IN_USE',
          message: `The port ${port} cannot be listened to: ${cause.message}.`,
          field: '--port',
          remedy: 'Give another one, or leave it out: then a free one is taken.',
          cause,
        }),
      ),
    )
    server.listen(port, loopback, () => resolve())
  })
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
