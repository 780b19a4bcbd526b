import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** A statement that a node sends to the process with the PGlite database. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** The result of a statement. A connection receives results in the order of its statements. */
export type Answer =
  | { readonly rows: readonly object[] }
  /** `code` is the SQLSTATE of PostgreSQL, from which the storage derives its error code. */
  | { readonly error: { readonly message: string; readonly code?: string | undefined } }

/** Sends one message, as one line of JSON. */
export function send(socket: Socket, message: Statement | Answer): void {
  const text = JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  socket.write(`${text}\n`)
}

export function onMessage<Message>(socket: Socket, listener: (message: Message) => void): void {
  const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })
  lines.on('line', (line) => listener(JSON.parse(line) as Message))
  // The readline interface also emits errors of the socket. Without this listener, such an error would end the process.
  lines.on('error', () => {})
}
