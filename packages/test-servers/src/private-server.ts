import { freePort } from './free-port.ts'
import type { ServerProcess } from './server-process.ts'

/** The address on which all test servers listen. */
export const host = '127.0.0.1'

/** The operations of every private server. */
export interface ServerControls {
  readonly pid: number
  /** Ends the server, and removes its data unless the caller chose the folder of the data. */
  stop(): Promise<void>
  /** Ends the server like a crash. Data on disk stay for {@link ServerControls.restart}. */
  kill(): Promise<void>
  /** Ends the server if it runs, and starts it on the same port and data. */
  restart(): Promise<void>
}

// Number of attempts to start on a free port. Another process may take the port before the server does.
const tries = 5

/** Starts a server on the given port. Without a port, uses a free one, and tries again if another process has taken it. */
export async function onPort<Server>(
  wanted: number | undefined,
  start: (port: number) => Promise<Server>,
): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(wanted ?? (await freePort()))
    } catch (error) {
      if (wanted !== undefined || attempt === tries || !/in use|BindException/.test(String(error))) throw error
    }
  }
}

/** Starts the server, and removes its data if the start fails. */
export async function startPrivate<Details extends object>(
  details: Details,
  options: { readonly server: ServerProcess; readonly prepare?: () => void; readonly removeOwn: () => void },
): Promise<Details & ServerControls> {
  const { server, prepare, removeOwn } = options
  try {
    prepare?.()
    await server.start()
  } catch (error) {
    await server.kill()
    removeOwn()
    throw error
  }
  return {
    ...details,
    get pid() {
      return server.pid
    },
    async stop() {
      await server.stop()
      removeOwn()
    },
    kill: () => server.kill(),
    async restart() {
      await server.stop()
      await server.start()
    },
  }
}
