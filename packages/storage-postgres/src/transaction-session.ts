import { storageFailure } from '@jobistemer/core/storage'
import type { Row, Session, SqlValue } from './sql.ts'

type Values = readonly SqlValue[]

/** The members by which this module recognizes and calls the SQL tools of users. */
interface Shapes {
  // The method of a client of pg, and of a transaction of PGlite.
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly Row[] } | readonly Row[]>
  // A transaction of Kysely.
  withoutPlugins(): { executeQuery(query: unknown): Promise<{ readonly rows: readonly Row[] }> }
  // A transaction of Prisma.
  $queryRawUnsafe(text: string, ...values: unknown[]): Promise<readonly Row[]>
  $executeRawUnsafe(text: string): Promise<unknown>
  // A transaction of Knex.
  readonly client: { acquireConnection(): Promise<Shapes> }
  readonly isTransaction: boolean
  // A transaction of Drizzle.
  readonly session: { readonly client: unknown }
  // An EntityManager of TypeORM has this member. `findSession` uses it to run statements in the transaction of the
  // manager.
  readonly queryRunner: unknown
  // The method of a transaction of postgres.js.
  unsafe(text: string, values?: unknown[]): Promise<readonly Row[]>
}

/** A session inside a user's transaction. */
export interface TransactionSession extends Session {
  /** Runs `body` after all earlier calls of `inTurn` on the same connection have ended. */
  inTurn<T>(body: () => Promise<T>): Promise<T>
}

/**
 * Returns a session that runs statements inside a user's transaction, for each supported tool.
 *
 * @throws JobistemerError `INVALID_TRANSACTION`
 */
export function sessionOf(transaction: unknown): TransactionSession {
  const session = findSession(transaction)
  if (session !== null) return session
  const remedy =
    'Give what your tool hands you inside a transaction: a connected client of pg (no pool), or a transaction of Kysely, ' +
    'Drizzle, Knex, Prisma or postgres.js, or a QueryRunner or EntityManager of TypeORM.'
  const about = ['transaction', Object.prototype.toString.call(transaction)] as const
  const message = 'transaction is none that PostgreSQL storage can write in.'
  throw storageFailure('INVALID_TRANSACTION', about, message, remedy)
}

/** The last call of `inTurn` on each connection, after which the next call runs. */
const turns = new WeakMap<object, Promise<unknown>>()

function withTurns(connection: object, session: Session): TransactionSession {
  return {
    query: async (text, values) => await session.query(text, values),
    inTurn(body) {
      const turn = (turns.get(connection) ?? Promise.resolve()).then(body)
      turns.set(
        connection,
        turn.catch(() => {}),
      )
      return turn
    },
  }
}

function findSession(transaction: unknown): TransactionSession | null {
  if ((typeof transaction !== 'object' && typeof transaction !== 'function') || transaction === null) return null
  const tool = transaction as Partial<Shapes>
  if (typeof tool.$queryRawUnsafe === 'function' && typeof tool.$executeRawUnsafe === 'function')
    return withTurns(transaction, ofPrisma(tool as Shapes))
  if (typeof tool.withoutPlugins === 'function') return withTurns(transaction, ofKysely(tool as Shapes))
  // A Knex object that is no transaction is rejected. With it, each statement would take another connection of the pool
  // and never release the connection.
  if (typeof tool.client?.acquireConnection === 'function')
    return tool.isTransaction === true ? withTurns(transaction, ofKnex(tool as Shapes)) : null
  if (typeof tool.session === 'object' && tool.session !== null) return findSession(tool.session.client)
  if (typeof tool.queryRunner === 'object' && tool.queryRunner !== null) return findSession(tool.queryRunner)
  if (typeof tool.unsafe === 'function') return withTurns(transaction, ofPostgresJs(tool as Shapes))
  // A pool is rejected, because it runs each statement on another connection.
  if (typeof tool.query === 'function' && !('totalCount' in transaction))
    return withTurns(transaction, ofClient(tool as Shapes))
  return null
}

/** Runs statements on a client. TypeORM returns an array of rows, the other tools return an object with `rows`. */
function ofClient(client: Pick<Shapes, 'query'>): Session {
  return {
    async query(text, values) {
      const answer = await client.query(text, values === undefined ? undefined : [...values])
      return rowsIn(answer)
    },
  }
}

function rowsIn(answer: unknown): readonly Row[] {
  if (Array.isArray(answer)) return answer
  const rows = (answer as { readonly rows?: unknown } | undefined)?.rows
  return Array.isArray(rows) ? rows : []
}

/**
 * Builds the query as Kysely's `CompiledQuery.raw` does. Runs the query without plugins, because a plugin may rename
 * columns.
 */
function ofKysely(transaction: Shapes): Session {
  const bare = transaction.withoutPlugins()
  return {
    async query(sql, values: Values = []) {
      const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] }
      const { rows } = await bare.executeQuery({ sql, parameters: [...values], query, queryId: { queryId: sql } })
      return rows
    },
  }
}

function ofPrisma(transaction: Shapes): Session {
  return {
    async query(text, values: Values = []) {
      // Prisma runs statements that return no rows by a separate method.
      if (!/^SELECT/.test(text)) {
        await transaction.$executeRawUnsafe(text)
        return []
      }
      return await transaction.$queryRawUnsafe(text, ...values)
    },
  }
}

/** Returns a session on the connection of a Knex transaction. */
function ofKnex(transaction: Shapes): Session {
  return {
    async query(text, values) {
      return await ofClient(await transaction.client.acquireConnection()).query(text, values)
    },
  }
}

function ofPostgresJs(transaction: Shapes): Session {
  return { query: async (text, values: Values = []) => [...(await transaction.unsafe(text, [...values]))] }
}
