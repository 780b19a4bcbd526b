import type { StorageWorld } from '@jobistemer/storage-conformance'
import { formTable } from '../src/schema.ts'
import { quoteName } from '../src/sql.ts'
import { sumRows } from '../src/step-functions.ts'
import { damageStatements } from './damage.ts'

type Query = (text: string) => Promise<{ readonly rows: readonly object[] }>

/** Keeps schemas for later test cases, because creating a schema takes longer than most cases. */
export class Worlds {
  readonly #query: Query
  readonly #free: string[] = []
  #made = 0

  constructor(query: Query) {
    this.#query = query
  }

  /**
   * Returns a test database that consists of one PostgreSQL schema. The function `processes` receives the schema's name, and
   * returns how child processes of a test case connect to it.
   */
  open(
    connect: (schema: string) => ReturnType<StorageWorld['connect']>,
    processes?: (schema: string) => NonNullable<StorageWorld['processes']>,
    beginTransaction?: StorageWorld['beginTransaction'],
  ): StorageWorld {
    const schema = this.#free.pop() ?? `the "world" ${process.pid}-${++this.#made}`
    let hasProcesses = false
    return {
      connect: async () => await connect(schema),
      ...(beginTransaction !== undefined && { beginTransaction }),
      damage: async (damaged) => {
        for (const statement of damageStatements(quoteName(schema), damaged)) await this.#query(statement)
      },
      dispose: async () => await (hasProcesses ? this.#drop(schema) : this.#empty(schema)),
      ...(processes !== undefined && {
        processes: whenUsed(processes(schema), () => {
          hasProcesses = true
        }),
      }),
    }
  }

  /** Drops the schema instead of reusing it, because a killed process may have left a statement that still runs. */
  async #drop(schema: string): Promise<void> {
    await this.#query(`DROP SCHEMA IF EXISTS ${quoteName(schema)} CASCADE`)
  }

  async #empty(schema: string): Promise<void> {
    const { rows } = await this.#query(
      `SELECT tablename FROM pg_tables WHERE schemaname = '${schema}' AND tablename <> '${formTable}'`,
    )
    const name = quoteName(schema)
    const deletes = (rows as { readonly tablename: string }[])
      .filter(({ tablename }) => tablename !== 'live_sums')
      .map(({ tablename }) => `DELETE FROM ${name}.${tablename};`)
    if (rows.length > 0) {
      // Keeps the rows of `live_sums` that a new schema has. If each case replaced them, the table would grow by pages of dead
      // rows, which every sum reads.
      await this.#query(
        `DO $$ BEGIN ${deletes.join(' ')}
           DELETE FROM ${name}.live_sums WHERE slot >= ${sumRows};
           UPDATE ${name}.live_sums SET pending = 0, queued = 0, running = 0
             WHERE pending <> 0 OR queued <> 0 OR running <> 0;
         END $$`,
      )
    }
    this.#free.push(schema)
  }
}

/**
 * Returns a copy of the entry that calls `used` when a test case reads its member `module`. Only a case that starts processes
 * reads this member. If processes have used a schema, the schema is later dropped and not reused.
 */
function whenUsed<Entry extends NonNullable<StorageWorld['processes']>>(entry: Entry, used: () => void): Entry {
  return {
    ...entry,
    get module() {
      used()
      return entry.module
    },
  }
}
