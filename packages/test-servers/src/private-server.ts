import { freePort } from './free-port.ts'
import type { ServerProcess } from './server-process.ts'

/** Where all of them listen. */
export const host = '127.0.0.1'

/** What every private server can be told. */
export interface ServerControls {
  readonly pid: number
  /** Ends the server and removes its data, unless their folder was given. */
  stop(): Promise<void>
  /** An end without warning; data on disk stay for {@link ServerControls.restart}. */
  kill(): Promise<void>
  /** Ends it, if it is running, and starts it on the same port and data. */
  restart(): Promise<void>
}

// A port that was free may be taken by the time the server wants it.
const tries = 5

/** Starts a server on a given port, or on a free one; on another when somebody was quicker. */
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

/** Starts the process, and leaves nothing behind when that fails. */
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
