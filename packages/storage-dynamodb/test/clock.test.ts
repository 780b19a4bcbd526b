import { systemClock } from '@jobistemer/core'
import { expect, inject, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { localClient } from './local-client.ts'

const tableName = 'clock'

it('serverTime of DynamoDB returns the time of the server, to the second', async () => {
  const client = localClient(inject('dynamodb'))
  await createTable({ client, tableName })
  const storage = dynamodbStorage({ client, tableName })
  const before = systemClock.now()
  const time = await storage.serverTime?.()
  const after = systemClock.now()
  const resolutionMs = storage.capabilities.serverTimeResolutionMs ?? 0
  expect(time).toBeGreaterThan(before - resolutionMs)
  expect(time).toBeLessThanOrEqual(after)
  client.destroy()
})

it('serverTime rejects if the answer has no date, and the error names the remedy', async () => {
  const client = localClient(inject('dynamodb'))
  client.middlewareStack.add(
    (next) => async (request) => {
      const result = await next(request)
      const { headers } = result.response as { headers: Record<string, string> }
      delete headers.date
      return result
    },
    { step: 'deserialize', priority: 'low' },
  )
  const storage = dynamodbStorage({ client, tableName })
  await expect(storage.serverTime?.()).rejects.toMatchObject({ code: 'STORAGE_FAILED', field: 'client' })
  client.destroy()
})
