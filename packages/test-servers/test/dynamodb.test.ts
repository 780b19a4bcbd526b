import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { type DynamoDBServer, startDynamoDB } from '../src/index.ts'

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

/** A server with data on disk, which all tests of this file share. */
let shared: DynamoDBServer

beforeAll(async () => {
  shared = await startDynamoDB()
})

afterAll(() => shared?.stop())

/** Sends a request to DynamoDB Local and returns its answer. The server checks only the form of the signature. */
async function ask({ endpoint }: DynamoDBServer, operation: string, body: object): Promise<Record<string, unknown>> {
  const authorization =
    'AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0'
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      authorization,
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': `DynamoDB_20120810.${operation}`,
    },
    body: JSON.stringify(body),
  })
  return (await response.json()) as Record<string, unknown>
}

const table = {
  TableName: 'things',
  BillingMode: 'PAY_PER_REQUEST',
  AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
  KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
}

it('two DynamoDB Locals share no data, and each ends when it is stopped', async () => {
  const [one, other] = [await startDynamoDB({ data: 'memory' }), shared]
  cleanUps.push(() => one.stop())
  expect(await ask(one, 'ListTables', {})).toEqual({ TableNames: [] })
  await ask(other, 'CreateTable', table)
  expect(await ask(one, 'ListTables', {})).toEqual({ TableNames: [] })
  expect(one.pid).toBeGreaterThan(0)
  await one.stop()
  await expect(ask(one, 'ListTables', {})).rejects.toThrow()
  expect(await ask(other, 'ListTables', {})).toEqual({ TableNames: ['things'] })
})

// Only tests of `npm run test:extra` restart a DynamoDB Local. `npm test` restarts a PostgreSQL with the same function.
it.runIf(isThorough)('a killed DynamoDB Local restarts on the same port with its data', async () => {
  const server = shared
  await ask(server, 'CreateTable', { ...table, TableName: 'kept' })
  const { pid } = server
  await server.kill()
  await expect(ask(server, 'ListTables', {})).rejects.toThrow()
  await server.restart()
  expect(server.pid).not.toBe(pid)
  expect((await ask(server, 'ListTables', {})).TableNames).toContain('kept')
})

it('startDynamoDB rejects with the output of Java if Java fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'no-java-'))
  cleanUps.push(
    () => rmSync(folder, { recursive: true }),
    () => vi.unstubAllEnvs(),
  )
  const { writeFileSync } = await import('node:fs')
  writeFileSync(join(folder, 'java'), '#!/bin/sh\necho "no Java here" >&2\nexit 1\n', { mode: 0o755 })
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  await expect(startDynamoDB()).rejects.toThrow(/no Java here/)
})
