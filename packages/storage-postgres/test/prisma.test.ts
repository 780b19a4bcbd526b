import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, expect, inject, it } from 'vitest'
import { isBroken, storageError } from '../src/postgres-errors.ts'
import { describeTool } from './describe-tool.ts'

/** The members of a generated Prisma client that the tests use. */
interface Client {
  $transaction<T>(body: (transaction: Transaction) => Promise<T>): Promise<T>
  $disconnect(): Promise<void>
}

interface Transaction {
  $executeRawUnsafe(text: string, ...values: unknown[]): Promise<number>
}

const schema = `generator client {
  provider = "prisma-client"
  output   = "./client"
}
datasource db {
  provider = "postgresql"
}
model Note {
  name String @id
}
`

// The generated Prisma client is stored inside of this package, so that Node.js finds the packages which it imports.
const parent = join(import.meta.dirname, '../.data')
mkdirSync(parent, { recursive: true })
const folder = mkdtempSync(join(parent, 'prisma-'))

afterAll(() => rmSync(folder, { recursive: true }))

function generate(): string {
  const file = join(folder, 'schema.prisma')
  writeFileSync(file, schema)
  const require = createRequire(import.meta.url)
  const command = join(dirname(require.resolve('prisma/package.json')), 'build/index.js')
  // Prisma would download its migration engine, which these tests do not use. `PRISMA_SCHEMA_ENGINE_BINARY` names
  // another program as the engine, so Prisma downloads nothing.
  const env = {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  }
  execFileSync(process.execPath, [command, 'generate', '--schema', file], { env, stdio: 'pipe', cwd: folder })
  return join(folder, 'client/client.ts')
}

const generated = (await import(generate())) as { readonly PrismaClient: new (options: object) => Client }

describeTool('a transaction of Prisma', async (notes) => {
  const client = new generated.PrismaClient({
    adapter: new PrismaPg({ connectionString: inject('postgres').url, max: 2 }),
  })
  return {
    inTransaction: (body) =>
      client.$transaction((transaction) =>
        body(transaction, (name) => transaction.$executeRawUnsafe(`INSERT INTO ${notes} VALUES ($1)`, name)),
      ),
    close: () => client.$disconnect(),
  }
})

it.each([
  ['40001', 'STORAGE_BUSY'],
  ['40P01', 'STORAGE_BUSY'],
  ['53100', 'STORAGE_FULL'],
  ['42501', 'STORAGE_UNREADABLE'],
  ['22012', 'STORAGE_FAILED'],
])('an error of Prisma gets the same storage code as the driver error inside it: %s', async (code, meaning) => {
  const client = new generated.PrismaClient({
    adapter: new PrismaPg({ connectionString: inject('postgres').url, max: 1 }),
  })
  const failing = `DO $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '${code}'; END $$`
  const error = await client
    .$transaction((transaction) => transaction.$executeRawUnsafe(failing))
    .catch((reason: unknown) => reason)
  await client.$disconnect()
  expect(error).toMatchObject({ code: 'P2010' })
  expect(isBroken(error)).toBe(false)
  expect(storageError(error, 'here')).toMatchObject({ code: meaning, message: expect.stringContaining(`${code}: `) })
})
