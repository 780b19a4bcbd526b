import { JobistemerError } from '@jobistemer/core'
import pg from 'pg'
import { describe, expect, inject, it } from 'vitest'
import { inspectPostgres, postgresMigrations } from '../src/index.ts'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { urlAt, useSchemas } from './schemas.ts'

const { open, pool, query, schema: newSchema } = useSchemas()

/** Returns the error of a call on a schema that cannot be used. */
async function refusal(options: Parameters<typeof open>[0]): Promise<JobistemerError> {
  const error = await open({ commandTimeout: 50_000, ...options })
    .listJobs({ limit: 1, cursor: null })
    .catch((reason: unknown) => reason)
  if (!JobistemerError.isInstance(error)) throw new Error(`not refused: ${String(error)}`)
  expect(error.remedy).toMatch(/\.$/)
  return error
}

it('a PostgreSQL storage creates its schema at the first call, and not before', async () => {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema })
  expect(await query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])).toHaveLength(0)
  await addJob(storage, 'alpha')
  expect(await query(`SELECT version FROM ${schema}.jobistemer_form`)).toEqual([{ version: 1 }])
})

it('eight storages that open a new schema concurrently can all use it', async () => {
  const schema = newSchema()
  const storages = Array.from({ length: 8 }, () => open({ pool: pool({ max: 1 }), schema }))
  await Promise.all(storages.map(async (storage, index) => await addJob(storage, `job-${index}`)))
  expect(await storages[0]?.listJobs({ limit: 10, cursor: null })).toMatchObject({ items: { length: 8 } })
})

it('a schema name may contain quotes, dollar signs and backslashes', async () => {
  const schema = `a "b" '; $step$ $step1$ ${process.pid} \\ ü`
  const storage = open({ pool: pool(), schema })
  const { id } = await addJob(storage, 'alpha')
  expect(await storage.get({ jobs: [id] })).toMatchObject({ jobs: [{ id }] })
  await query(`DROP SCHEMA "${schema.replaceAll('"', '""')}" CASCADE`)
})

it.each([27, 60])('a call to PostgreSQL may have a commandTimeout of %i days', async (days) => {
  const storage = open({ url: inject('postgres').url, schema: newSchema(), commandTimeout: { days } })
  const { id } = await addJob(storage, 'alpha')
  const items = [slotItem(id, 1)]
  expect(await storage.createOccurrences({ now: slotAt(1), owner, items })).toMatchObject([{ outcome: 'created' }])
})

it('a PostgreSQL storage refuses a schema of another application, and does not change it', async () => {
  const schema = newSchema()
  await query(`CREATE SCHEMA ${schema}`)
  await query(`CREATE TABLE ${schema}.heads (x integer)`)
  expect(await refusal({ pool: pool(), schema })).toMatchObject({
    code: 'STORAGE_FOREIGN',
    field: 'schema',
    value: schema,
  })
  expect(await query('SELECT tablename FROM pg_tables WHERE schemaname = $1', [schema])).toHaveLength(1)
})

it('a PostgreSQL storage refuses a schema that a newer version has migrated', async () => {
  const schema = newSchema()
  await addJob(open({ pool: pool(), schema }), 'alpha')
  await query(`UPDATE ${schema}.jobistemer_form SET version = 99`)
  expect(await refusal({ pool: pool(), schema })).toMatchObject({ code: 'STORAGE_SCHEMA_NEWER', value: schema })
})

it('a PostgreSQL storage with migrate: false creates nothing, and uses a schema that was created by hand', async () => {
  const schema = newSchema()
  const options = { pool: pool(), schema, migrate: false }
  expect(await refusal(options)).toMatchObject({ code: 'STORAGE_UNREADABLE', field: 'migrate' })
  expect(await query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])).toHaveLength(0)
  await query(postgresMigrations({ schema }))
  const { id } = await addJob(open(options), 'alpha')
  expect(await open(options).get({ jobs: [id] })).toMatchObject({ jobs: [{ id }] })
})

it('a storage whose schema exists needs no right to create schemas in the database', async () => {
  const [schema, role] = [newSchema(), `role_${process.pid}`]
  await query(`CREATE ROLE ${role} LOGIN`)
  try {
    const url = `postgres://${role}@${inject('postgres').host}:${inject('postgres').port}/postgres`
    const mine = pool({ connectionString: url })
    expect(await refusal({ pool: mine, schema })).toMatchObject({
      code: 'STORAGE_UNREADABLE',
      cause: { code: '42501' },
    })
    await query(`CREATE SCHEMA ${schema} AUTHORIZATION ${role}`)
    await addJob(open({ pool: mine, schema }), 'alpha')
  } finally {
    await query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    await query(`DROP ROLE ${role}`)
  }
})

it('the printed statements need no right to create schemas in the database if the schema exists', async () => {
  const [schema, role] = [`o'\\ $step$ ${newSchema()}`, `owner_${process.pid}`]
  await query(`CREATE ROLE ${role} LOGIN`)
  try {
    await query(`CREATE SCHEMA "${schema}" AUTHORIZATION ${role}`)
    const url = `postgres://${role}@${inject('postgres').host}:${inject('postgres').port}/postgres`
    const mine = pool({ connectionString: url })
    await mine.query(postgresMigrations({ schema }))
    const { id } = await addJob(open({ pool: mine, schema, migrate: false }), 'alpha')
    expect(id).toMatch(/^job_/)
  } finally {
    await query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`)
    await query(`DROP ROLE ${role}`)
  }
})

it('a PostgreSQL storage works for a user that may only read and write existing tables', async () => {
  const [schema, role] = [newSchema(), `user_${process.pid}`]
  await query(`CREATE ROLE ${role} LOGIN`)
  try {
    await query(postgresMigrations({ schema }))
    await query(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`)
    const url = `postgres://${role}@${inject('postgres').host}:${inject('postgres').port}/postgres`
    const storage = open({ pool: pool({ connectionString: url }), schema, migrate: false })
    await expect(addJob(storage, 'alpha')).rejects.toMatchObject({ code: 'STORAGE_UNREADABLE' })
    await query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role}`)
    const { id } = await addJob(storage, 'alpha')
    expect(await storage.get({ jobs: [id] })).toMatchObject({ jobs: [{ id }] })
  } finally {
    await query(`DROP OWNED BY ${role}`)
    await query(`DROP ROLE ${role}`)
  }
})

it('the first call of a PostgreSQL storage rejects with an error that names the problem of the database', async () => {
  const place = inject('postgres')
  const latin = `latin_${process.pid}`
  await query(`CREATE DATABASE ${latin} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`)
  const other = pool({ connectionString: urlAt(place, latin), max: 1 })
  try {
    const wrongEncoding = await refusal({ pool: other })
    expect(wrongEncoding).toMatchObject({ code: 'STORAGE_UNREADABLE', field: 'schema' })
    expect(wrongEncoding.message).toContain('LATIN1')
  } finally {
    await other.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()',
      [latin],
    )
    await query(`DROP DATABASE ${latin} WITH (FORCE)`)
  }
  const missing = await refusal({ url: urlAt(place, 'no_such_database') })
  expect(missing).toMatchObject({ code: 'STORAGE_UNREADABLE', cause: { code: '3D000' } })
  const stranger = await refusal({ url: `postgres://nobody:secret@${place.host}:${place.port}/postgres` })
  expect(stranger).toMatchObject({ code: 'STORAGE_UNREADABLE', cause: { code: '28000' } })
  expect(stranger.message).not.toContain('secret')
  const plain = await refusal({ url: `${urlAt(place)}?sslmode=require` })
  expect(plain).toMatchObject({ code: 'STORAGE_UNREADABLE', message: expect.stringContaining('support SSL') })
  const nowhere = await refusal({ url: urlAt({ host: '127.0.0.1', port: 1 }) })
  expect(nowhere).toMatchObject({ code: 'STORAGE_UNREACHABLE' })
  expect(nowhere.message).toContain('127.0.0.1:1')
})

it('a PostgreSQL storage whose opening has failed checks the schema again at its next call', async () => {
  const schema = newSchema()
  await query(`CREATE SCHEMA ${schema}`)
  await query(`CREATE TABLE ${schema}.other (x integer)`)
  const storage = open({ pool: pool(), schema })
  await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject({ code: 'STORAGE_FOREIGN' })
  await query(`DROP TABLE ${schema}.other`)
  expect(await storage.listJobs({ limit: 1, cursor: null })).toEqual({ items: [], cursor: null })
})

it('a PostgreSQL storage that is open creates its schema again after the schema was dropped', async () => {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema })
  await addJob(storage, 'alpha')
  await query(`DROP SCHEMA ${schema} CASCADE`)
  await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject({ code: 'STORAGE_BUSY' })
  await addJob(storage, 'beta')
  expect(await storage.listJobs({ limit: 9, cursor: null })).toMatchObject({ items: [{ name: 'beta' }] })
})

it('a storage closes its own pool, but not a pool of the user', async () => {
  const given = pool()
  const schema = newSchema()
  const storage = open({ pool: given, schema })
  await addJob(storage, 'alpha')
  await storage.close()
  expect((await given.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject({ code: 'STORAGE_CLOSED' })
  const own = open({ url: `${inject('postgres').url}?application_name=own_${schema}`, schema })
  await own.listJobs({ limit: 1, cursor: null })
  await own.close()
  await expect
    .poll(() => query(`SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'own_${schema}'`))
    .toEqual([{ count: 0 }])
})

it('a storage that has one client instead of a pool runs one step after the other', async () => {
  const client = new pg.Client({ connectionString: inject('postgres').url })
  await client.connect()
  const storage = open({ client, schema: newSchema() })
  await Promise.all(Array.from({ length: 12 }, async (_, index) => await addJob(storage, `job-${index}`)))
  expect(await storage.listJobs({ limit: 20, cursor: null })).toMatchObject({ items: { length: 12 } })
  await storage.close()
  await client.end()
})

it('a call on a pool that has ended rejects with STORAGE_CLOSED', async () => {
  const ended = new pg.Pool({ connectionString: inject('postgres').url })
  const storage = open({ pool: ended, schema: newSchema(), wakeUps: false })
  await addJob(storage, 'alpha')
  await ended.end()
  await expect(storage.listJobs({ limit: 1, cursor: null })).rejects.toMatchObject({ code: 'STORAGE_CLOSED' })
})

describe('a pg pool whose driver', () => {
  const types = (parsers: Readonly<Record<number, (value: string) => unknown>>): pg.PoolConfig => ({
    types: {
      getTypeParser: (oid: number, format: never) => parsers[oid] ?? pg.types.getTypeParser(oid, format),
    } as never,
  })

  it.each<[string, pg.PoolConfig]>([
    ['leaves booleans as texts', types({ 16: (value) => value })],
    ['makes numbers of booleans', types({ 16: (value) => (value === 't' ? 1 : 0) })],
    ['leaves everything as texts', { types: { getTypeParser: () => (value: string) => value } as never }],
    ['makes big integers of numbers', types({ 20: BigInt, 21: BigInt, 23: BigInt })],
  ])('%s works with the storage, for new and existing schemas', async (_, options) => {
    const schema = newSchema()
    for (let round = 1; round <= 2; round++) {
      const storage = open({ pool: pool(options), schema, wakeUps: false })
      const { id } = await addJob(storage, `job-${round}`)
      expect(await storage.get({ jobs: [id] })).toMatchObject({ jobs: [{ id, name: `job-${round}` }] })
      const own = { node: 'a', incarnation: 'a-1', startedAt: 1, counter: round, leaving: true, about: {} }
      const { nodes } = await storage.heartbeat({ now: 1, own, remove: [], profilesOf: [] })
      expect(nodes).toEqual([own])
    }
    const { form, formNeeded, missingRights } = await inspectPostgres({ pool: pool(options), schema, wakeUps: false })
    expect({ form, missingRights }).toEqual({ form: formNeeded, missingRights: [] })
  })

  it.each<[string, pg.PoolConfig]>([
    ['makes objects of UUIDs', types({ 2950: (value) => ({ value }) })],
    ['answers in binary form', { binary: true } as pg.PoolConfig],
    ['makes words of booleans', types({ 16: (value) => (value === 't' ? 'yes' : 'no') })],
  ])('%s is refused by the storage', async (_, options) => {
    const schema = newSchema()
    await addJob(open({ pool: pool(), schema }), 'alpha')
    const error = await refusal({ pool: pool(options), schema, wakeUps: false })
    expect(error).toMatchObject({ code: 'STORAGE_UNREADABLE', field: 'pool' })
  })

  it('sends NULL in arrays as a text is refused by the storage, and the error has a remedy', async () => {
    const error = await refusal({ pool: pool({ options: '-c array_nulls=off' }), schema: newSchema(), wakeUps: false })
    expect(error).toMatchObject({ code: 'STORAGE_UNREADABLE', field: 'array_nulls' })
    expect(error.remedy).toContain('array_nulls = on')
  })
})
