import { createScheduler, defineJob } from '@jobistemer/core'
import { runJob } from '@jobistemer/core/testing'
import Database from 'better-sqlite3'
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { sql as drizzleSql } from 'drizzle-orm'
import knex from 'knex'
import { Kysely, SqliteDialect, sql } from 'kysely'
import { DataSource } from 'typeorm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AppWorld, inTransaction, makeAppWorld } from './world.ts'

/**
 * A transaction library under test. `inTransaction` begins a transaction and calls `body` with its connection, and with a
 * function that inserts a name into the table `notes`. Then it ends the transaction.
 */
interface Tool {
  inTransaction<T>(body: (connection: unknown, note: (name: string) => unknown) => Promise<T>): Promise<T>
  close(): unknown
  /**
   * Whether the tool leaves the transaction open after a failed commit. With such a tool, the body of the second
   * transaction rejects after the error of `context.complete`. The tool then rolls the transaction back without a
   * commit.
   */
  readonly leavesFailedCommits?: true
}

const tools: Readonly<Record<string, (file: string) => Promise<Tool>>> = {
  // With Kysely, the application itself creates the `Database`, and passes it to Kysely's dialect.
  Kysely: async (file) => {
    const database = new Database(file)
    const kysely = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) })
    return {
      inTransaction: (body) =>
        kysely
          .transaction()
          .execute((trx) => body(database, (name) => sql`INSERT INTO notes VALUES (${name})`.execute(trx))),
      close: () => kysely.destroy(),
    }
  },
  // Drizzle's own transactions are synchronous, so the test begins the transaction without Drizzle.
  Drizzle: async (file) => {
    const database = drizzle(file)
    return {
      inTransaction: (body) =>
        inTransaction(database.$client, () =>
          body(database.$client, (name) => database.run(drizzleSql`INSERT INTO notes VALUES (${name})`)),
        ),
      close: () => database.$client.close(),
    }
  },
  Knex: async (file) => {
    const database = knex({ client: 'better-sqlite3', connection: { filename: file }, useNullAsDefault: true })
    return {
      inTransaction: (body) =>
        database.transaction(async (trx) => {
          const connection: unknown = await trx.client.acquireConnection()
          return await body(connection, async (name) => await trx('notes').insert({ name }))
        }),
      close: () => database.destroy(),
      leavesFailedCommits: true,
    }
  },
  TypeORM: async (file) => {
    const source = await new DataSource({ type: 'better-sqlite3', database: file }).initialize()
    return {
      inTransaction: (body) =>
        source.transaction(async (manager) => {
          const connection: unknown = await manager.queryRunner?.connect()
          return await body(connection, (name) => manager.query('INSERT INTO notes VALUES (?)', [name]))
        }),
      close: () => source.destroy(),
    }
  },
}

describe.each(Object.entries(tools))('a transaction of the library %s', (_, openTool) => {
  let world: AppWorld
  let tool: Tool

  beforeEach(async () => {
    world = makeAppWorld()
    tool = await openTool(world.file)
  })

  afterEach(async () => {
    await tool.close()
    await world.remove()
  })

  it('gives a connection that can trigger a job', async () => {
    const jobs = [defineJob({ name: 'mail', overlapPolicy: 'queue', tasks: [{ name: 'send', run: () => {} }] })]
    const scheduler = world.keep(createScheduler({ storage: world.connect(), jobs }))
    await scheduler.start()
    const asked = tool.inTransaction(async (transaction, note) => {
      await note('rolled back')
      await scheduler.trigger('mail', { transaction })
      throw new Error('no')
    })
    await expect(asked).rejects.toThrow('no')
    const { id } = await tool.inTransaction(async (transaction, note) => {
      await note('committed')
      return await scheduler.trigger('mail', { transaction })
    })
    expect((await scheduler.waitFor(id)).state).toBe('completed')
    expect(world.notes()).toEqual(['committed'])
    const runs = await scheduler.occurrences({ job: 'mail' })
    expect(runs.items).toHaveLength(1)
  })

  it('gives a connection that can complete a task', async () => {
    const codes: string[] = []
    const job = defineJob({
      name: 'move',
      retryPolicy: { maxRetries: 1, retryInterval: 0 },
      tasks: [
        {
          name: 'move',
          run: async (context) => {
            await tool.inTransaction(async (transaction, note) => {
              await note(`attempt ${context.attempt}`)
              await context.complete(transaction, context.attempt)
              if (context.attempt === 1) throw new Error('no')
            })
            // After the commit, the handler completes its task a second time, in another transaction. This second
            // transaction fails as a whole, even if the handler swallows the error.
            const again = tool.inTransaction(async (transaction, note) => {
              await note('again')
              await context.complete(transaction).catch((error) => {
                codes.push(error.code)
                if (tool.leavesFailedCommits === true) throw error
              })
            })
            await again.catch(() => codes.push('rolled back'))
          },
        },
      ],
    })
    const report = await runJob(job, { storage: world.connect() })
    expect(report.tasks[0]).toMatchObject({ state: 'completed', result: 2 })
    expect(codes).toEqual(['ALREADY_COMPLETED', 'rolled back'])
    expect(world.notes()).toEqual(['attempt 2'])
  })
})
