import { beforeEach, expect, it } from 'vitest'
import { Database } from '../src/database.ts'
import { postgresMigrations } from '../src/index.ts'
import { openSchema } from '../src/open-schema.ts'
import { migrations } from '../src/schema.ts'
import { PoolSource } from '../src/source.ts'
import { useSchemas } from './schemas.ts'

const { pool, query, schema: newSchema } = useSchemas()
let database: Database
let schema: string

beforeEach(() => {
  database = new Database(new PoolSource(pool(), 'here', null), 10_000)
  schema = newSchema()
})

const first = [
  (name: string) => `\nCREATE TABLE ${name}.one (x integer);\n`,
  (name: string) => `\nCREATE TABLE ${name}.two (x integer);\nINSERT INTO ${name}.one VALUES (7);\n`,
]

it('if a storage opens an older schema, it runs only the migration steps that the schema lacks', async () => {
  const steps = [...first, (name: string) => `INSERT INTO ${name}.two SELECT x + 1 FROM ${name}.one`]
  await openSchema(database, { name: schema, migrate: true, steps: first })
  await openSchema(database, { name: schema, migrate: true, steps })
  await openSchema(database, { name: schema, migrate: true, steps })
  expect(await query(`SELECT x FROM ${schema}.two`)).toEqual([{ x: 8 }])
  expect(await query(`SELECT version FROM ${schema}.jobistemer_form`)).toEqual([{ version: 3 }])
})

it('if a storage with migrate: false opens an older schema, it rejects and does not change the schema', async () => {
  await openSchema(database, { name: schema, migrate: true, steps: first.slice(0, 1) })
  await expect(openSchema(database, { name: schema, migrate: false, steps: first })).rejects.toMatchObject({
    code: 'STORAGE_UNREADABLE',
    field: 'migrate',
    message: expect.stringContaining('has form 1, and this version needs 2'),
  })
  expect(await query(`SELECT version FROM ${schema}.jobistemer_form`)).toEqual([{ version: 1 }])
})

it('opening a newer schema rejects with STORAGE_SCHEMA_NEWER', async () => {
  await openSchema(database, { name: schema, migrate: true, steps: first })
  const older = openSchema(database, { name: schema, migrate: true, steps: first.slice(0, 1) })
  await expect(older).rejects.toMatchObject({ code: 'STORAGE_SCHEMA_NEWER', field: 'schema', value: schema })
})

it('a migration step that fails leaves no change in the database', async () => {
  const steps = [...first, (name: string) => `CREATE TABLE ${name}.one (x integer)`]
  await expect(openSchema(database, { name: schema, migrate: true, steps })).rejects.toThrow('already exists')
  expect(await query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])).toHaveLength(0)
})

it('the statements that postgresMigrations prints create the same schema as the storage', async () => {
  const printed = newSchema()
  await query(postgresMigrations({ schema: printed }))
  await openSchema(database, { name: schema, migrate: true })
  const columns = async (name: string) =>
    await query(
      `SELECT table_name, column_name, data_type, collation_name FROM information_schema.columns
       WHERE table_schema = $1 ORDER BY 1, ordinal_position`,
      [name],
    )
  const indexes = async (name: string) => {
    const rows = await query('SELECT indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY indexname', [name])
    return rows.map(({ indexdef }) => String(indexdef).replaceAll(`${name}.`, ''))
  }
  expect(await columns(printed)).toEqual(await columns(schema))
  expect(await indexes(printed)).toEqual(await indexes(schema))
  expect((await columns(schema)).length).toBeGreaterThan(80)
  await openSchema(database, { name: printed, migrate: false })
})

it('postgresMigrations with `from` prints only the later migration steps', () => {
  expect(postgresMigrations({ from: migrations.length })).not.toContain('CREATE')
  expect(postgresMigrations()).toContain('CREATE SCHEMA IF NOT EXISTS "jobistemer";')
})

it.each([
  [[], 'INVALID_ARGUMENT', 'options'],
  [{ from: -1 }, 'INVALID_ARGUMENT', 'from'],
  [{ from: migrations.length + 1 }, 'INVALID_ARGUMENT', 'from'],
  [{ schema: '' }, 'INVALID_ARGUMENT', 'schema'],
  [{ scheme: 'a' }, 'UNKNOWN_OPTION', 'scheme'],
])('postgresMigrations refuses the options %j', (options, code, field) => {
  expect(() => postgresMigrations(options as object)).toThrow(expect.objectContaining({ code, field }))
})

it('all text columns have the collation C, which compares byte by byte', async () => {
  await openSchema(database, { name: schema, migrate: true })
  const texts = await query(
    `SELECT column_name, collation_name FROM information_schema.columns WHERE table_schema = $1 AND data_type = 'text'`,
    [schema],
  )
  expect(texts.length).toBeGreaterThan(20)
  expect(texts.filter(({ collation_name: collation }) => collation !== 'C')).toEqual([])
})
