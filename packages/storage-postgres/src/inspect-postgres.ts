import { systemClock } from '@jobistemer/core'
import { Database } from './database.ts'
import { canListen, openSource } from './source.ts'
import { type PostgresStorageOptions, type ReadOptions, readOptions } from './options.ts'
import { formTable, migrations } from './schema.ts'
import { isTrue, numberOrNull, quoteName, type Session } from './sql.ts'
import { within } from './time-limit.ts'
import { channelOf } from './wake-ups.ts'

/** The properties of a database and its server on which the storage depends. */
export interface PostgresInspection {
  /** The form (layout version) of the schema; `null` if the schema has no tables of Jobistemer. */
  readonly form: number | null
  /** The form (layout version) of the schema that this package version creates and needs. */
  readonly formNeeded: number
  /** Whether the server is a standby, which accepts no writes. */
  readonly isStandby: boolean
  /** Whether transactions are read-only by default. */
  readonly isReadOnly: boolean
  /** Settings of the server that apply to this connection. */
  readonly settings: {
    readonly fsync: boolean
    readonly fullPageWrites: boolean
    /** The value of `synchronous_commit`: `on`, `off`, `local`, `remote_write` or `remote_apply`. */
    readonly synchronousCommit: string
    readonly autovacuum: boolean
  }
  /** Tables for which autovacuum is turned off. */
  readonly unvacuumed: readonly string[]
  /** The rights that this user lacks, as GRANT names them: `INSERT ON live`. */
  readonly missingRights: readonly string[]
  /** Tables in which row-level security hides rows from this user. */
  readonly rowSecurity: readonly string[]
  /**
   * Transactions, replication slots and standbys that keep vacuum from removing dead rows, oldest first. Without the
   * right to see other users' sessions, the list lacks the transactions and standbys of other users.
   */
  readonly vacuumHolders: readonly VacuumHolder[]
  /** Whether a test notification arrived; `null` if none was sent. */
  readonly hearsNotifications: boolean | null
}

/** A transaction, prepared transaction, replication slot or standby that keeps vacuum from removing dead rows. */
export interface VacuumHolder {
  readonly kind: 'transaction' | 'prepared' | 'slot' | 'standby'
  /**
   * The name of the holder. For a transaction, its process and application. For a prepared transaction, its identifier. For
   * a replication slot, its name. For a standby with hot_standby_feedback, its application and address.
   */
  readonly name: string
  /** How long the holder has existed, in ms; `null` if PostgreSQL does not report it. */
  readonly forMs: number | null
}

/** How long the test notification may take, in ms. */
const hearLimitMs = 2000
const mostHolders = 20

/**
 * Minimum age, in transactions, of a standby in {@link PostgresInspection.vacuumHolders}. A younger standby is not
 * listed: every standby with hot_standby_feedback keeps the dead rows of the last seconds, which is normal.
 */
const feedbackAge = 100_000

/** Inspects the database that `postgresStorage` would use with the same options. Changes nothing in the database. */
export async function inspectPostgres(options: PostgresStorageOptions): Promise<PostgresInspection> {
  const read = readOptions(options)
  const database = new Database(await openSource(read), read.commandTimeoutMs)
  try {
    const [server, form, missingRights] = await Promise.all([
      inspectServer(database),
      formOf(database, read.schema),
      missingRightsOf(database, read.schema),
    ])
    return {
      ...server,
      form,
      formNeeded: migrations.length,
      missingRights,
      rowSecurity: await tablesWith(database, read.schema, hidesRows),
      unvacuumed: await tablesWith(database, read.schema, isUnvacuumed),
      vacuumHolders: await holdersOf(database),
      hearsNotifications: server.isStandby ? null : await hears(database, read),
    }
  } catch (error) {
    throw database.errorOf(error)
  } finally {
    await database.close()
  }
}

async function inspectServer(session: Session) {
  const [row] = await session.query(
    `SELECT pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only') AS read_only,
       current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit, current_setting('autovacuum') AS autovacuum`,
  )
  return {
    isStandby: isTrue(row?.standby),
    isReadOnly: row?.read_only === 'on',
    settings: {
      fsync: row?.fsync === 'on',
      fullPageWrites: row?.full_page_writes === 'on',
      synchronousCommit: String(row?.synchronous_commit),
      autovacuum: row?.autovacuum === 'on',
    },
  }
}

/**
 * Returns the form (layout version) of the schema. Returns `null` in two cases: the schema is missing, or the user may not read
 * the schema. In the second case, `missingRights` names the missing right.
 */
async function formOf(session: Session, schema: string): Promise<number | null> {
  const [found] = await session.query(
    `SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::text AND c.relname = $2::text`,
    [schema, formTable],
  )
  if (!isTrue(found?.readable)) return null
  const [row] = await session.query(`SELECT version FROM ${quoteName(schema)}.${formTable}`)
  return numberOrNull(row?.version ?? null)
}

async function missingRightsOf(session: Session, schema: string): Promise<readonly string[]> {
  const [row] = await session.query(
    `SELECT n.oid IS NOT NULL AS has_schema, has_schema_privilege(n.oid, 'USAGE') AS usage,
       has_schema_privilege(n.oid, 'CREATE') AS creation, has_database_privilege(current_database(), 'CREATE') AS making,
       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid) AS has_tables
     FROM (SELECT 1) one LEFT JOIN pg_namespace n ON n.nspname = $1::text`,
    [schema],
  )
  if (row === undefined || !isTrue(row.has_schema)) return isTrue(row?.making) ? [] : ['CREATE ON DATABASE']
  const onSchema = [
    ...(isTrue(row.usage) ? [] : ['USAGE ON SCHEMA']),
    ...(isTrue(row.creation) || isTrue(row.has_tables) ? [] : ['CREATE ON SCHEMA']),
  ]
  const tables = await session.query(
    `SELECT kind || ' ON ' || c.relname AS missing
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) kind
       WHERE n.nspname = $1::text AND c.relkind IN ('r', 'p') AND (c.relname <> $2::text OR kind = 'SELECT')
         AND NOT has_table_privilege(c.oid, kind)
       ORDER BY c.relname, kind`,
    [schema, formTable],
  )
  const functions = await session.query(
    `SELECT 'EXECUTE ON FUNCTION ' || p.proname AS missing FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
       WHERE n.nspname = $1::text AND NOT has_function_privilege(p.oid, 'EXECUTE') ORDER BY p.proname`,
    [schema],
  )
  const named = [...tables, ...functions].map(({ missing }) => String(missing))
  return [...onSchema, ...named]
}

async function tablesWith(session: Session, schema: string, condition: string): Promise<readonly string[]> {
  const rows = await session.query(
    `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = $1::text AND c.relkind IN ('r', 'p') AND ${condition} ORDER BY c.relname`,
    [schema],
  )
  return rows.map(({ relname }) => String(relname))
}

const hidesRows = 'row_security_active(c.oid)'
const isUnvacuumed = `c.relkind = 'r' AND EXISTS (
  SELECT FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean
)`

async function holdersOf(session: Session): Promise<readonly VacuumHolder[]> {
  const rows = await session.query(
    `SELECT kind, name, (extract(epoch FROM clock_timestamp() - since) * 1000)::bigint AS for_ms FROM (
       SELECT 'transaction' AS kind, pid || ' ' || coalesce(nullif(application_name, ''), usename, '?') AS name,
           xact_start AS since
         FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
       UNION ALL
       SELECT 'prepared', gid, prepared FROM pg_prepared_xacts WHERE database = current_database()
       UNION ALL
       SELECT 'slot', slot_name, NULL FROM pg_replication_slots WHERE xmin IS NOT NULL
       UNION ALL
       SELECT 'standby', coalesce(nullif(application_name, ''), '?') || coalesce(' at ' || host(client_addr), ''), NULL
         FROM pg_stat_replication WHERE age(backend_xmin) > ${feedbackAge}
     ) holders ORDER BY for_ms DESC NULLS LAST LIMIT ${mostHolders}`,
  )
  return rows.map(({ kind, name, for_ms }) => {
    return { kind: kind as VacuumHolder['kind'], name: String(name), forMs: numberOrNull(for_ms) }
  })
}

/**
 * Returns whether notifications arrive; `null` if nodes with these options cannot wake each other. Sends a notification
 * over one connection, and listens on another connection, as nodes do.
 */
async function hears(database: Database, options: ReadOptions): Promise<boolean | null> {
  if (!canListen(options)) return null
  const text = `trial-${systemClock.now()}-${process.pid}`
  const channel = channelOf(options.schema)
  let onHeard: (isHeard: boolean) => void = () => {}
  const heard = new Promise<boolean>((resolve) => {
    onHeard = resolve
  })
  const onText = (payload: string) => payload === text && onHeard(true)
  const ear = await database.listen(channel, onText, () => onHeard(false))
  try {
    await database.query('SELECT pg_notify($1::text, $2::text)', [channel, text])
    return await within(hearLimitMs, heard, () => false)
  } finally {
    await ear.close()
  }
}
