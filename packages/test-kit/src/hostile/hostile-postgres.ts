import type { Storage } from '@jobistemer/core/storage'
import pg from 'pg'
import type { HostileDatabase, HostileTransaction, MovedRow } from './hostile-database.ts'

type Answer = pg.QueryResult

/** The statement that a fault hits, and the objects that inject the fault. */
interface Breaking {
  readonly client: pg.Client
  readonly admin: pg.Pool
  readonly pid: number
  /** Sends the statement on the user's connection. */
  send(): Promise<Answer>
  /** Ends the process that calls this function, at once. */
  kill(): void
}

const rollback = 'a rollback'

/**
 * Names of the faults that do not end the connection. After a rollback the connection works again, so a user's pool
 * would reuse it.
 */
const mild: readonly string[] = ['an error of the server', 'a statement timeout', 'an answer that gets lost', rollback]

const injected = () => new Error('injected')

const terminate = ({ admin, pid }: Breaking) => admin.query('SELECT pg_terminate_backend($1)', [pid])

function cut({ client }: Breaking): void {
  const { connection } = client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }
  connection.stream.destroy()
}

/** Waits for the sent statement and for the fault. Returns the answer to the statement. */
async function both(sent: Promise<Answer>, happens: Promise<unknown>): Promise<Answer> {
  const [answer] = await Promise.allSettled([sent, happens])
  if (answer.status === 'rejected') throw answer.reason
  return answer.value
}

/** The faults by name. Each hits the connection before, during or after a statement. */
const faults: Readonly<Record<string, (breaking: Breaking) => Promise<Answer>>> = {
  'an error of the server': async ({ client }) => await client.query('SELECT 1 / 0'),
  'a statement timeout': async ({ client }) => {
    await client.query('SET LOCAL statement_timeout = 1')
    return await client.query('SELECT pg_sleep(10)')
  },
  'an answer that gets lost': async ({ send }) => {
    await send()
    throw injected()
  },
  'a canceled statement': async ({ admin, pid, send }) => {
    return await both(send(), admin.query('SELECT pg_cancel_backend($1)', [pid]))
  },
  'a backend ended before': async (breaking) => {
    await terminate(breaking)
    return await breaking.send()
  },
  'a backend ended meanwhile': async (breaking) => {
    return await both(breaking.send(), terminate(breaking))
  },
  'a backend ended behind': async (breaking) => {
    const answer = await breaking.send()
    await terminate(breaking)
    return answer
  },
  'a line cut before': async (breaking) => {
    cut(breaking)
    return await breaking.send()
  },
  'a line cut meanwhile': async (breaking) => {
    const sent = breaking.send()
    // The driver writes the statement to the socket in the present turn of the event loop. The connection is cut after that.
    process.nextTick(() => cut(breaking))
    return await sent
  },
  'a line cut behind': async (breaking) => {
    const answer = await breaking.send()
    cut(breaking)
    return answer
  },
  [rollback]: async ({ client }) => {
    await client.query('ROLLBACK')
    throw injected()
  },
}

/** Faults that end the process in which the handler runs. */
const deadlyFaults: typeof faults = {
  'a process killed before': async ({ kill, send }) => {
    kill()
    return await send()
  },
  'a process killed meanwhile': async ({ kill, send }) => {
    const sent = send()
    process.nextTick(kill)
    return await sent
  },
  'a process killed behind': async ({ kill, send }) => {
    const answer = await send()
    kill()
    return answer
  },
}

const allFaults: typeof faults = { ...faults, ...deadlyFaults }

/** Options of {@link HostilePostgres}. */
export interface HostilePostgresOptions {
  /** The pool of all statements without faults, including the storage's statements. */
  readonly pool: pg.Pool
  /**
   * The pool of the statements that inject faults. Calls that wait for a user's transaction may occupy all connections
   * of `pool`. So the fault that ends this transaction needs another pool. Default: `pool`.
   */
  readonly breakers?: pg.Pool
  /** The address of the database, for the connections that break. */
  readonly url: string
  readonly schema: string
  /** Creates the tested storage. */
  storage(options: { readonly pool: pg.Pool; readonly schema: string }): Storage
  /**
   * Ends this process immediately. A deadly fault calls this function before, during or after a statement. Absent: the
   * test has no deadly faults.
   */
  readonly kill?: (fault: string, statement: string) => void
}

/**
 * A PostgreSQL database with the schema of a storage, a table of the user, and user connections that break on request.
 */
export class HostilePostgres implements HostileDatabase {
  readonly isExclusive = false
  readonly faults: readonly string[] = Object.keys(faults)
  readonly deadly: readonly string[]
  readonly #options: HostilePostgresOptions
  readonly #pool: pg.Pool
  readonly #schema: string
  readonly #free: UserConnection[] = []

  private constructor(options: HostilePostgresOptions) {
    this.#options = options
    this.#pool = options.pool
    this.#schema = options.schema
    this.deadly = options.kill === undefined ? [] : Object.keys(deadlyFaults)
  }

  /** Connects to the database. Creates missing tables, and keeps existing data. */
  static async make(options: HostilePostgresOptions): Promise<HostilePostgres> {
    const { pool, schema } = options
    const storage = options.storage({ pool, schema })
    await storage.listJobs({ limit: 1, cursor: null })
    await storage.close()
    await pool.query(`CREATE TABLE IF NOT EXISTS ${schema}_moved (id text NOT NULL, mark text NOT NULL)`)
    return new HostilePostgres(options)
  }

  connect(): Storage {
    return this.#options.storage({ pool: this.#pool, schema: this.#schema })
  }

  async begin(): Promise<HostileTransaction> {
    const connection = this.#free.pop() ?? (await UserConnection.open(this.#options))
    const back = () => this.#free.push(connection)
    return await UserTransaction.begin(connection, `${this.#schema}_moved`, back)
  }

  async mismatches(): Promise<readonly string[]> {
    const { rows } = await this.#pool.query<{ line: string }>(
      `WITH runs AS (
         SELECT 'occ_' || id AS id, runs::jsonb -> 0 AS run FROM ${this.#schema}.live
         UNION ALL SELECT 'occ_' || id, runs::jsonb -> 0 FROM ${this.#schema}.history
       ), done AS (
         SELECT id, coalesce(run ->> 3, run ->> 'result') AS mark FROM runs
         WHERE run ->> 1 = '2' OR run ->> 'state' = 'completed'
       )
       SELECT format('row %s of %s, end %s of %s', m.mark, m.id, d.mark, d.id) AS line
       FROM done d FULL JOIN ${this.#schema}_moved m ON m.id = d.id WHERE d.mark IS DISTINCT FROM m.mark`,
    )
    return rows.map(({ line }) => line)
  }

  async marks(): Promise<readonly string[]> {
    const { rows } = await this.#pool.query<{ mark: string }>(`SELECT mark FROM ${this.#schema}_moved`)
    return rows.map(({ mark }) => mark)
  }

  async remove(): Promise<void> {
    for (const connection of this.#free) await connection.close()
    await this.#pool.query(`DROP SCHEMA ${this.#schema} CASCADE; DROP TABLE ${this.#schema}_moved`)
  }
}

/** A connection of the user. It sends all statements of its transaction, including those of the storage. */
class UserConnection {
  readonly #client: pg.Client
  readonly #options: HostilePostgresOptions
  #left = Number.POSITIVE_INFINITY
  #fault = ''
  /** The statement that the last fault hit; `null` if the last fault hit no statement. */
  #broken: string | null = null
  /** `false` after a fault that ended the connection. No further transaction uses such a connection. */
  isUsable = true
  #isRolledBack = false

  private constructor(client: pg.Client, options: HostilePostgresOptions) {
    this.#client = client
    this.#options = options
    client.on('error', () => {
      this.isUsable = false
    })
  }

  static async open(options: HostilePostgresOptions): Promise<UserConnection> {
    const client = new pg.Client({ connectionString: options.url })
    await client.connect()
    return new UserConnection(client, options)
  }

  /**
   * Sets the next fault. `statements`: number of statements before the statement that the fault hits; 0 selects the
   * next statement, and `Infinity` selects none. Returns the statement that the previous fault hit; `null` if it hit none.
   */
  breakAfter(fault: string, statements: number): string | null {
    const broken = this.#broken
    this.#fault = fault
    this.#left = statements
    this.#isRolledBack = false
    this.#broken = null
    return broken
  }

  async query(text: string, values?: unknown[]): Promise<Answer> {
    const send = async () => await this.#client.query(text, values)
    if (this.#left-- !== 0) return await send()
    this.#broken = nameOf(text)
    this.isUsable &&= mild.includes(this.#fault)
    this.#isRolledBack = this.#fault === rollback
    return await (allFaults[this.#fault] as (typeof faults)[string])(this.#breaking(text, send))
  }

  #breaking(text: string, send: () => Promise<Answer>): Breaking {
    const client = this.#client
    // When a client connects, PostgreSQL sends the id of the server process that serves this connection.
    const { processID: pid } = client as unknown as { readonly processID: number }
    const fault = this.#fault
    return {
      client,
      admin: this.#options.breakers ?? this.#options.pool,
      pid,
      send,
      kill: () => this.#options.kill?.(fault, nameOf(text)),
    }
  }

  /** Throws if the transaction was rolled back. A user's database library also throws in this case. */
  assertWithin(): void {
    if (this.#isRolledBack) throw new Error('the transaction was rolled back')
  }

  async close(): Promise<void> {
    await this.#client.end().catch(() => undefined)
  }
}

class UserTransaction implements HostileTransaction {
  readonly transaction: { readonly query: UserConnection['query'] }
  readonly #connection: UserConnection
  readonly #table: string
  readonly #giveBack: () => void
  #isOpen = true

  private constructor(connection: UserConnection, table: string, giveBack: () => void) {
    this.#connection = connection
    this.#table = table
    this.#giveBack = giveBack
    this.transaction = { query: async (text, values) => await connection.query(text, values) }
  }

  static async begin(connection: UserConnection, table: string, giveBack: () => void): Promise<UserTransaction> {
    await connection.query('BEGIN')
    return new UserTransaction(connection, table, giveBack)
  }

  breakAfter(fault: string, statements: number): void {
    this.#connection.breakAfter(fault, statements)
  }

  async write({ id, mark }: MovedRow): Promise<void> {
    this.#connection.assertWithin()
    await this.#connection.query(`INSERT INTO ${this.#table} VALUES ($1, $2)`, [id, mark])
  }

  async commit(): Promise<void> {
    this.#connection.assertWithin()
    this.#isOpen = false
    const { command } = await this.#connection.query('COMMIT')
    if (command !== 'COMMIT') throw new Error(`PostgreSQL answered COMMIT with ${command}`)
  }

  async end(): Promise<string | null> {
    const broken = this.#connection.breakAfter('', Number.POSITIVE_INFINITY)
    const isRolledBack = await this.#rollBack(broken !== null)
    if (isRolledBack && this.#connection.isUsable) this.#giveBack()
    else await this.#connection.close()
    return broken
  }

  /**
   * Rolls back the transaction, which a failed commit may have left open. Returns whether the connection still works.
   */
  async #rollBack(hasBroken: boolean): Promise<boolean> {
    if (!this.#isOpen && !hasBroken) return true
    return await this.#connection.query('ROLLBACK').then(
      () => true,
      () => false,
    )
  }
}

/**
 * Returns a short name of a statement: the function that it calls, or the table to which it writes. Returns the whole
 * text of any other statement.
 */
function nameOf(text: string): string {
  return /\w+(?=\()/.exec(text)?.[0] ?? /(?<=^INSERT INTO \S*)(moved|no_commit)/.exec(text)?.[0] ?? text
}
