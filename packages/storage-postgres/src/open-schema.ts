import type { JobistemerError } from '@jobistemer/core'
import { storageFailure } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { statementsOf } from './migrations.ts'
import { formTable, migrations } from './schema.ts'
import { isTrue, numberOf, quoteName, type Session } from './sql.ts'

/** The properties of a schema that decide whether the storage may use it. */
interface Findings {
  readonly encoding: string
  readonly hasSchema: boolean
  /** The form (layout version) of the schema; `null` if Jobistemer has not created the schema. */
  readonly form: number | null
  readonly isEmpty: boolean
}

/** The options for opening a schema. */
export interface OpenSchema {
  /** The name of the schema as the user writes it, without quotes. */
  readonly name: string
  readonly migrate: boolean
  /** The migration steps. Default: the steps of this package version. */
  readonly steps?: readonly ((schema: string) => string)[]
}

/**
 * Checks that a schema has the form of this version. Migrates an older schema if `migrate` is true.
 *
 * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, `STORAGE_UNREADABLE`; errors of the driver
 */
export async function openSchema(database: Database, { name, migrate, steps = migrations }: OpenSchema): Promise<void> {
  const present = await findingsOf(database, name)
  if (assertUsable(present, name, steps.length) === steps.length) return
  if (!migrate) throw unmigrated(name, present.form, steps.length)
  // A migration has no time limit, because it may rewrite large tables.
  await database.transaction(async (session) => {
    // This statement takes an advisory lock for the transaction, not for the session: behind a pooler, a session lock would
    // stay with a connection that other clients use.
    await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1::text, $2::text::bigint))', [
      name,
      String(lockSeed),
    ])
    // Reads the schema version again while this process holds the lock, because another process may have migrated the
    // schema before.
    const found = await findingsOf(session, name)
    const form = assertUsable(found, name, steps.length)
    if (form === steps.length) return
    const schema = quoteName(name)
    if (!found.hasSchema) await session.query(`CREATE SCHEMA ${schema}`)
    for (const statement of statementsOf(schema, form, steps)) await session.query(statement)
  }, Number.POSITIVE_INFINITY)
}

/**
 * The seed of the hash that gives the advisory lock of a migration its number: `JBST`. With this seed, the number differs from
 * the locks of other programs.
 */
const lockSeed = 0x4a425354

async function findingsOf(session: Session, name: string): Promise<Findings> {
  const [row] = await session.query(
    `SELECT current_setting('server_encoding') AS encoding,
       (SELECT n.oid FROM pg_namespace n WHERE n.nspname = $1::text) IS NOT NULL AS has_schema,
       EXISTS (
         SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::text AND c.relname = $2::text
       ) AS has_form,
       EXISTS (
         SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::text
       ) AS has_tables`,
    [name, formTable],
  )
  const hasForm = isTrue(row?.has_form)
  const form = hasForm ? await session.query(`SELECT version FROM ${quoteName(name)}.${formTable}`) : []
  return {
    encoding: String(row?.encoding),
    hasSchema: isTrue(row?.has_schema),
    form: form[0] === undefined ? null : numberOf(form[0].version),
    isEmpty: !isTrue(row?.has_tables),
  }
}

/**
 * Returns the form (layout version) of a schema that the storage may use; 0 for an empty schema. Throws for any other schema.
 */
function assertUsable({ encoding, form, isEmpty }: Findings, name: string, known: number): number {
  if (encoding !== 'UTF8') {
    const message = `The database has the encoding ${encoding}, which does not hold every text.`
    const remedy = "Create a database with ENCODING 'UTF8' TEMPLATE template0."
    throw storageFailure('STORAGE_UNREADABLE', ['schema', name], message, remedy)
  }
  if (form === null && !isEmpty) {
    const message = `The schema belongs to another application: ${name}.`
    const remedy = 'Give a schema of its own to Jobistemer; it makes one that does not exist.'
    throw storageFailure('STORAGE_FOREIGN', ['schema', name], message, remedy)
  }
  if (form !== null && form > known) {
    const message = `The schema has form ${form}, and this version knows ${known}: ${name}.`
    const remedy = 'Update @jobistemer/storage-postgres, or give another schema. Nothing was changed.'
    throw storageFailure('STORAGE_SCHEMA_NEWER', ['schema', name], message, remedy)
  }
  return form ?? 0
}

function unmigrated(name: string, form: number | null, known: number): JobistemerError {
  const what = form === null ? 'has no tables of Jobistemer' : `has form ${form}, and this version needs ${known}`
  const message = `The schema ${what}: ${name}.`
  const remedy = 'Start a node without migrate: false, which makes the tables, or apply what jobistemer sql prints.'
  return storageFailure('STORAGE_UNREADABLE', ['migrate', false], message, remedy)
}
