import { invalidOption, readOptionNames } from '@jobistemer/core/storage'
import { readSchema } from './options.ts'
import { formTable, migrations } from './schema.ts'
import { quoteName } from './sql.ts'
import { dollarQuote } from './step-functions.ts'

/** Options of {@link postgresMigrations}. */
export interface PostgresMigrationsOptions {
  /** The schema, as for `postgresStorage`. Default `jobistemer`. */
  readonly schema?: string
  /** The present form (layout version) of the schema; 0 for an empty or missing schema. Default 0. */
  readonly from?: number
}

/**
 * Returns the statements that migrate a schema to the form of this version, as one transaction. Apply them yourself if you
 * open the storage with `migrate: false`. Run them with a tool that executes scripts, such as `psql`.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`
 */
export function postgresMigrations(options: PostgresMigrationsOptions = {}): string {
  const about = { opener: 'postgresMigrations', known: ['schema', 'from'], example: "{ schema: 'jobistemer' }" }
  readOptionNames(options, about)
  const { from = 0 } = options
  if (!Number.isInteger(from) || from < 0 || from > migrations.length) {
    const remedy = `Give what stands in the table ${formTable}, or 0 for a new schema.`
    throw invalidOption('from', from, `from is not a form from 0 to ${migrations.length}`, remedy)
  }
  const schema = quoteName(readSchema(options.schema))
  const create = from === 0 ? [createSchema(schema)] : []
  return `${['BEGIN', ...create, ...statementsOf(schema, from, migrations), 'COMMIT'].join(';\n\n')};\n`
}

/**
 * Returns a statement that creates the schema if it is missing. Even with IF NOT EXISTS, CREATE SCHEMA needs the right to
 * create schemas in the database. So the block runs CREATE SCHEMA only if the schema is missing.
 */
function createSchema(schema: string): string {
  const [quote, name] = [dollarQuote(schema), `E'${schema.replace(/['\\]/g, '$&$&')}'`]
  return `DO ${quote} BEGIN
  IF to_regnamespace(${name}) IS NULL THEN CREATE SCHEMA IF NOT EXISTS ${schema}; END IF;
END ${quote}`
}

/**
 * Returns the statements that migrate a schema from a form, one by one, because some drivers do not accept several
 * statements in one call.
 */
export function statementsOf(
  schema: string,
  from: number,
  steps: readonly ((schema: string) => string)[],
): readonly string[] {
  const statements = steps.slice(from).flatMap((step) => splitStatements(step(schema)))
  const mark = `${schema}.${formTable}`
  if (from === 0)
    statements.unshift(`CREATE TABLE ${mark} (one boolean PRIMARY KEY CHECK (one), version integer NOT NULL)`)
  statements.push(
    `INSERT INTO ${mark} VALUES (true, ${steps.length}) ON CONFLICT (one) DO UPDATE SET version = excluded.version`,
  )
  return statements
}

/**
 * Splits a migration step into statements. A statement begins with a word in capitals at the start of a line. All other
 * lines of a statement are indented, or end a function.
 */
function splitStatements(text: string): string[] {
  return text
    .split(/;\n(?=\n*(?:[A-Z]{4,} |$))/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}
