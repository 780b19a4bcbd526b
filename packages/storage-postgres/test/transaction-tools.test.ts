import { drizzle } from 'drizzle-orm/node-postgres'
import { sql as drizzleSql } from 'drizzle-orm'
import knex from 'knex'
import { CamelCasePlugin, Kysely, PostgresDialect, sql as kyselySql } from 'kysely'
import pg from 'pg'
import { DataSource } from 'typeorm'
import { expect, inject, it } from 'vitest'
import { sessionOf } from '../src/transaction-session.ts'
import { describeTool, type OpenTool } from './describe-tool.ts'

const connection = () => ({ connectionString: inject('postgres').url })

const tools: Readonly<Record<string, OpenTool>> = {
  'a client of pg': async (notes) => {
    const pool = new pg.Pool({ ...connection(), max: 2 })
    return {
      async inTransaction(body) {
        const client = await pool.connect()
        try {
          await client.query('BEGIN')
          const answer = await body(client, (name) => client.query(`INSERT INTO ${notes} VALUES ($1)`, [name]))
          const { command } = await client.query('COMMIT')
          if (command !== 'COMMIT') throw new Error('rolled back')
          return answer
        } catch (error) {
          await client.query('ROLLBACK')
          throw error
        } finally {
          client.release()
        }
      },
      close: () => pool.end(),
    }
  },
  'a Kysely transaction': async (notes) => {
    const dialect = new PostgresDialect({ pool: new pg.Pool({ ...connection(), max: 2 }) })
    // The plugin renames the columns of results. The storage must not depend on the names of columns.
    const database = new Kysely<unknown>({ dialect, plugins: [new CamelCasePlugin()] })
    return {
      inTransaction: (body) =>
        database
          .transaction()
          .execute((trx) =>
            body(trx, (name) => kyselySql`INSERT INTO ${kyselySql.raw(notes)} VALUES (${name})`.execute(trx)),
          ),
      close: () => database.destroy(),
    }
  },
  'a Drizzle transaction': async (notes) => {
    const pool = new pg.Pool({ ...connection(), max: 2 })
    const database = drizzle(pool)
    return {
      inTransaction: (body) =>
        database.transaction((tx) =>
          body(tx, (name) => tx.execute(drizzleSql`INSERT INTO ${drizzleSql.raw(notes)} VALUES (${name})`)),
        ),
      close: () => pool.end(),
    }
  },
  'a Knex transaction': async (notes) => {
    const database = knex({ client: 'pg', connection: connection(), pool: { min: 0, max: 2 } })
    return {
      inTransaction: (body) =>
        database.transaction((trx) =>
          body(trx, async (name) => await trx.raw(`INSERT INTO ${notes} VALUES (?)`, [name])),
        ),
      close: () => database.destroy(),
    }
  },
  'an EntityManager of TypeORM': async (notes) => {
    const source = await new DataSource({ type: 'postgres', url: inject('postgres').url }).initialize()
    return {
      inTransaction: (body) =>
        source.transaction((manager) =>
          body(manager, (name) => manager.query(`INSERT INTO ${notes} VALUES ($1)`, [name])),
        ),
      close: () => source.destroy(),
    }
  },
  'a QueryRunner of TypeORM': async (notes) => {
    const source = await new DataSource({ type: 'postgres', url: inject('postgres').url }).initialize()
    return {
      async inTransaction(body) {
        const runner = source.createQueryRunner()
        await runner.startTransaction()
        try {
          const answer = await body(runner, (name) => runner.query(`INSERT INTO ${notes} VALUES ($1)`, [name]))
          await runner.commitTransaction()
          return answer
        } catch (error) {
          if (runner.isTransactionActive) await runner.rollbackTransaction()
          throw error
        } finally {
          await runner.release()
        }
      },
      close: () => source.destroy(),
    }
  },
}

for (const [name, open] of Object.entries(tools)) describeTool(name, open)

it('a Knex instance that is not a transaction is refused, and no connection is taken from its pool', async () => {
  const database = knex({ client: 'pg', connection: connection(), pool: { min: 0, max: 1 } })
  try {
    expect(() => sessionOf(database)).toThrow(expect.objectContaining({ code: 'INVALID_TRANSACTION' }))
    expect((await database.raw('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  } finally {
    await database.destroy()
  }
})
