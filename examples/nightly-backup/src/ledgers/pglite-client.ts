import { connect, type Socket } from 'node:net'
import type { PostgresClient, PostgresResult } from '@jobistemer/storage-postgres'
import { type Answer, onMessage, send } from './pglite-messages.ts'

interface Waiting {
  readonly resolve: (result: PostgresResult) => void
  readonly reject: (error: Error) => void
}

/** A PostgreSQL client for the storage. The client sends statements to the process that runs PGlite. */
export class PGliteClient implements PostgresClient {
  readonly #port: number
  readonly #waiting: Waiting[] = []
  #socket: Socket | null = null

  constructor(port: number) {
    this.#port = port
  }

  async query(text: string, values: unknown[] = []): Promise<PostgresResult> {
    const socket = this.#connected()
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      send(socket, { text, values })
    })
  }

  close(): void {
    this.#socket?.destroy()
  }

  #connected(): Socket {
    if (this.#socket !== null) return this.#socket
    const socket = connect({ host: '127.0.0.1', port: this.#port })
    this.#socket = socket
    onMessage<Answer>(socket, (answer) => {
      const waiting = this.#waiting.shift()
      if ('rows' in answer) waiting?.resolve(answer)
      else waiting?.reject(Object.assign(new Error(answer.error.message), { code: answer.error.code }))
    })
    // Without a listener, an error would end the process. The listener of `close` cleans up after errors too.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#socket = null
      for (const { reject } of this.#waiting.splice(0)) {
        reject(Object.assign(new Error('The process with the PGlite database has ended.'), { code: 'ECONNRESET' }))
      }
    })
    return socket
  }
}
