import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { PGlite } from '@electric-sql/pglite'
import { type Answer, onMessage, send, type Statement } from './pglite-messages.ts'

/** A PGlite database that other processes can use, one transaction after another. */
export interface PGliteHost {
  readonly port: number
  /** Ends all connections and closes the PGlite database. Its folder stays. */
  stop(): Promise<void>
}

/**
 * Opens the PGlite database of a folder, and accepts statements for it on a port. No other process may have the folder
 * open.
 *
 * PGlite has one session, which each transaction holds until its end. If a connection closes during its transaction,
 * the host rolls the transaction back.
 */
export async function hostPGlite(folder: string): Promise<PGliteHost> {
  const database = await PGlite.create(folder)
  const turns = new Turns()
  const sockets = new Set<Socket>()
  const listener = createServer((socket) => {
    sockets.add(socket)
    const serving = new Serving(database, turns, socket)
    onMessage<Statement>(socket, (statement) => serving.take(statement))
    // Without a listener, an error would end the process. The listener of `close` cleans up after errors too.
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      serving.end()
    })
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    port: (listener.address() as AddressInfo).port,
    async stop() {
      listener.close()
      for (const socket of sockets) socket.destroy()
      await turns.next()
      await database.close()
    },
  }
}

/** PGlite has a single session. This class gives the session to one connection after another. */
class Turns {
  #last: Promise<void> = Promise.resolve()

  /** Waits until the session is free. Resolves to the function that frees the session again. */
  async next(): Promise<() => void> {
    const before = this.#last
    let end = () => {}
    this.#last = new Promise((resolve) => {
      end = resolve
    })
    await before
    return end
  }
}

/** Receives the statements of one connection of a node, and executes them on the PGlite database. */
class Serving {
  readonly #database: PGlite
  readonly #turns: Turns
  readonly #socket: Socket
  #last: Promise<void> = Promise.resolve()
  #isOver = false
  #isInTransaction = false
  /** Frees the session after the current transaction; `null` while the connection does not hold the session. */
  #endTurn: (() => void) | null = null

  constructor(database: PGlite, turns: Turns, socket: Socket) {
    this.#database = database
    this.#turns = turns
    this.#socket = socket
  }

  take(statement: Statement): void {
    this.#last = this.#last.then(async () => await this.#carryOut(statement))
  }

  end(): void {
    this.#isOver = true
    this.#last = this.#last.then(async () => {
      if (this.#endTurn === null) return
      await this.#database.exec('ROLLBACK')
      this.#endTurn()
    })
  }

  async #carryOut({ text, values }: Statement): Promise<void> {
    // Ignores the statement if the connection has closed. No client waits for the answer, and the host rolls back the
    // transaction of the connection.
    if (this.#isOver) return
    this.#endTurn ??= await this.#turns.next()
    const answer = await this.#answer(text, values)
    if (/^BEGIN\b/.test(text)) this.#isInTransaction = true
    if (/^(COMMIT|ROLLBACK)\b/.test(text)) this.#isInTransaction = false
    if (!this.#isInTransaction) {
      this.#endTurn()
      this.#endTurn = null
    }
    send(this.#socket, answer)
  }

  async #answer(text: string, values: readonly unknown[]): Promise<Answer> {
    try {
      const { rows } = await this.#database.query<object>(text, [...values])
      return { rows }
    } catch (error) {
      const { message, code } = error as Error & { readonly code?: string }
      return { error: { message, code } }
    }
  }
}
