import { randomUUID } from 'node:crypto'
import { createScheduler, defineJob, type Scheduler, type TaskContext } from '@jobistemer/core'
import { drizzle } from 'drizzle-orm/node-postgres'
import { sql as drizzleSql } from 'drizzle-orm'
import knex from 'knex'
import { CamelCasePlugin, Kysely, PostgresDialect, sql as kyselySql } from 'kysely'
import pg from 'pg'
import { DataSource } from 'typeorm'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { useSchemas } from './schemas.ts'

const { open, pool: newPool, query, schema: newSchema } = useSchemas()

/** How one tool begins a transaction, notes a name in it, and ends it when the body is over. */
interface Tool {
  inTransaction<T>(body: (transaction: unknown, note: (name: string) => Promise<unknown>) => Promise<T>): Promise<T>
  close(): Promise<void>
}

type Open = (notes: string) => Promise<Tool>

const connection = () => ({ connectionString: inject('postgres').url })

const tools: Readonly<Record<string, Open>> = {
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
    // The plugin would rename columns of answers that Jobistemer reads.
    const database = new Kysely<unknown>({ dialect, plugins: [new CamelCasePlugin()] })
    return {
      inTransaction: (body) =>
        database
          .transaction()
          .execute((trx) => body(trx, (name) => kyselySql`INSERT INTO ${kyselySql.raw(notes)} VALUES (${name})`.execute(trx))),
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
        database.transaction((trx) => body(trx, async (name) => await trx.raw(`INSERT INTO ${notes} VALUES (?)`, [name]))),
      close: () => database.destroy(),
    }
  },
  'an EntityManager of TypeORM': async (notes) => {
    const source = await new DataSource({ type: 'postgres', url: inject('postgres').url }).initialize()
    return {
      inTransaction: (body) =>
        source.transaction((manager) => body(manager, (name) => manager.query(`INSERT INTO ${notes} VALUES ($1)`, [name]))),
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

describe.each(Object.entries(tools))('%s', (_, openTool) => {
  let tool: Tool
  let notes: string
  let schema: string
  let scheduler: Scheduler | null = null

  beforeEach(async () => {
    schema = newSchema()
    notes = `notes_${randomUUID().replaceAll('-', '')}`
    await query(`CREATE TABLE ${notes} (name text)`)
    tool = await openTool(notes)
  })

  afterEach(async () => {
    await scheduler?.shutdown()
    scheduler = null
    await tool.close()
    await query(`DROP TABLE ${notes}`)
  })

  const noted = async () => (await query(`SELECT name FROM ${notes} ORDER BY name`)).map(({ name }) => name)

  async function start(run: (context: TaskContext) => unknown) {
    const retryPolicy = { maxRetries: 1, retryInterval: 0 }
    const jobs = [defineJob({ name: 'work', overlapPolicy: 'queue', retryPolicy, tasks: [{ name: 'work', run }] })]
    const started = createScheduler({ storage: open({ pool: newPool(), schema }), jobs })
    scheduler = started
    await started.start()
    return started
  }

  it('carries a trigger: it starts with the commit, and not without it', async () => {
    const ran: unknown[] = []
    const started = await start(({ input }) => void ran.push(input))
    const asked = tool.inTransaction(async (transaction, note) => {
      await note('rolled back')
      await started.trigger('work', { transaction, data: 'rolled back' })
      throw new Error('no')
    })
    await expect(asked).rejects.toThrow('no')
    const { id } = await tool.inTransaction(async (transaction, note) => {
      await note('committed')
      return await started.trigger('work', { transaction, data: 'committed' })
    })
    expect((await started.waitFor(id)).state).toBe('completed')
    expect([ran, await noted()]).toEqual([['committed'], ['committed']])
  })

  it('carries the end of a task, which stands or falls with its rows', async () => {
    const codes: string[] = []
    const started = await start(async (context) => {
      const moving = tool.inTransaction(async (transaction, note) => {
        await note(`attempt ${context.attempt}`)
        await context.complete(transaction, context.attempt)
        if (context.attempt === 1) throw new Error('no')
      })
      await moving
      // Again, after the commit: the whole transaction is refused, also when the error is swallowed.
      const again = tool.inTransaction(async (transaction, note) => {
        await note('again')
        await context.complete(transaction).catch(({ code }) => codes.push(code))
      })
      await again.catch(() => codes.push('rolled back'))
    })
    const { id } = await started.trigger('work')
    const occurrence = await started.waitFor(id)
    expect(occurrence.tasks[0]).toMatchObject({ state: 'completed', result: 2 })
    expect(occurrence.tasks[0]?.attempts.map(({ state }) => state)).toEqual(['failed', 'succeeded'])
    expect(codes).toEqual(['ALREADY_COMPLETED', 'rolled back'])
    expect(await noted()).toEqual(['attempt 2'])
  })
})
