import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** A statement, from a node to the process that has the PGlite. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** What became of it. Statements of a connection are answered in their order. */
export type Answer =
  | { readonly rows: readonly object[] }
  /** `code` is PostgreSQL's own: the storage tells by it what an error means. */
  | { readonly error: { readonly message: string; readonly code?: string | undefined } }

/** One message is one line of JSON. */
export function send(socket: Socket, message: Statement | Answer): void {
  const text = JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  socket.write(`${text}\n`)
}

export function onMessage<Message>(socket: Socket, listener: (message: Message) => void): void {
  const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })
  lines.on('line', (line) => listener(JSON.parse(line) as Message))
  // The interface also emits errors of the socket. Without this listener they would end the process.
  lines.on('error', () => {})
}
