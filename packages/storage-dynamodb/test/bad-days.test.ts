import { setTimeout as sleep } from 'node:timers/promises'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Storage } from '@jobistemer/core/storage'
import { assertLedger, storageCases, withWorld } from '@jobistemer/storage-conformance'
import { type DynamoDBServer, startDynamoDB, startTcpProxy, type TcpProxy } from '@jobistemer/test-servers'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { faultyClient } from './faulty-client.ts'
import { addJob, finishItem, minute, owner, slotAt, slotItem, start } from '@jobistemer/test-kit'
import { laggingIndex } from './lagging-index.ts'
import { localClient } from './local-client.ts'
import { useTable } from './use-table.ts'
import { byEffort, isThorough } from '../../workspace/test-effort.ts'

const tableName = 'bad-days'
let client: DynamoDBClient
let worlds = 0

useTable(tableName, (made) => {
  client = made
})

// The conformance kit's soak test loses and doubles whole calls. This test also makes single DynamoDB requests of a
// storage call fail.
const effort = { scale: byEffort(20, 6) / 100, seeds: [3] }
const [soak] = storageCases({ multiProcess: true, durability: 'power' }, effort).filter(({ depth }) => depth === 'soak')

describe('nodes on DynamoDB break no invariant of the storage', () => {
  it('although requests are throttled, answers get lost, and the index of live occurrences lags behind', {
    timeout: 600_000,
  }, async () => {
    const rates = { throttled: 0.04, lostAnswer: 0.04 }
    const queriesPerLook = 25
    const prefix = `soak-${++worlds}`
    const faulty: ReturnType<typeof faultyClient>[] = []
    let connections = 0
    const clientFor = (seed: number): Pick<DynamoDBClient, 'send'> => {
      // At the end, a soak test checks the table through its first connection. So the client of the first connection has no
      // faults.
      if (seed === 1) return client
      const inner = faultyClient(client, rates, seed)
      faulty.push(inner)
      return laggingIndex(inner, queriesPerLook)
    }
    await withWorld(
      () => ({
        connect: async () => dynamodbStorage({ client: clientFor(++connections), tableName, prefix }),
        dispose: async () => {},
      }),
      async (world) => await soak?.run(world),
    )
    expect(connections).toBeGreaterThan(4)
    for (const { faults: count } of faulty) expect(count).toBeGreaterThan(0)
  })
})

/** Counts events, and resolves promises when the count reaches a number. */
class Progress {
  #count = 0
  #waiting: { readonly count: number; readonly resolve: () => void } | null = null

  step(): void {
    this.#count++
    if (this.#waiting !== null && this.#count >= this.#waiting.count) this.#waiting.resolve()
  }

  async reached(count: number): Promise<void> {
    if (this.#count >= count) return
    await new Promise<void>((resolve) => {
      this.#waiting = { count, resolve }
    })
  }
}

// `npm run test:extra` kills and restarts a server. `npm test` only cuts the connections to the server of all tests, because
// the client sees the same outage, and two starts of a server take as long as many tests.
const outage = isThorough ? 'is killed and restarted' : 'cannot be reached for a moment'
// The time in ms from the cut of the connections to the kill or the end of the outage. DynamoDB Local answers before it has
// written to disk, so a SIGKILL can lose acknowledged writes. The real DynamoDB does not lose such writes.
const outageMs = isThorough ? 2000 : 300

describe(`a DynamoDB server that ${outage}`, () => {
  let durable: DynamoDBServer | null = null
  let proxy: TcpProxy | null = null

  afterEach(async () => {
    await proxy?.close()
    proxy = null
    await durable?.stop()
    durable = null
  })

  it('has lost no acknowledged write, and calls that were made during its downtime succeed', {
    timeout: 120_000,
  }, async () => {
    if (isThorough) durable = await startDynamoDB({ data: 'disk' })
    const { hostname, port } = new URL((durable ?? inject('dynamodb')).endpoint)
    proxy = await startTcpProxy({ host: hostname, port: Number(port) })
    const mine = localClient({ endpoint: `http://${proxy.host}:${proxy.port}` })
    await createTable({ client: mine, tableName })
    const storage: Storage = dynamodbStorage({
      client: mine,
      tableName,
      prefix: 'outage',
      retryTimeout: { minutes: 1 },
      requestTimeout: 2000,
    })
    const jobs = await Promise.all(Array.from({ length: 4 }, (_, index) => addJob(storage, `job-${index}`, 'queue')))
    const acknowledged: string[] = []
    const last = isThorough ? 15 : 6
    const progress = new Progress()
    const writers = jobs.map(async ({ id }) => {
      for (let index = 1; index <= last; index++) {
        const item = slotItem(id, index)
        const [created] = await storage.createOccurrences({ now: slotAt(index), owner, items: [item] })
        // If an answer was lost, the repeated create finds the record that the first create has stored.
        expect(['created', 'exists']).toContain(created?.outcome)
        expect(created).toMatchObject({ state: 'running', token: 1 })
        const [settled] = await storage.settle({ now: slotAt(index) + 20, items: [finishItem(id, index)] })
        expect(settled?.outcome).toBe('ok')
        acknowledged.push(item.id)
        progress.step()
      }
    })
    const written = Promise.all(writers)
    for (const count of isThorough ? [12, 36] : [12]) {
      // `written` rejects if a writer fails. Then the test fails at once, instead of waiting for a count that is never
      // reached.
      await Promise.race([progress.reached(count), written])
      proxy.cut()
      await sleep(outageMs)
      await durable?.kill()
      await durable?.restart()
      proxy.heal()
    }
    await written
    expect(acknowledged).toHaveLength(jobs.length * last)
    const slots = (_: unknown, after: number, until: number) =>
      Array.from(
        { length: Math.max(0, Math.floor((until - after) / minute)) },
        (_, index) => after + (index + 1) * minute,
      )
    await assertLedger(storage, { atRest: true, slots })
    const { occurrences } = await storage.get({ occurrences: acknowledged as `occ_${string}`[] })
    expect(occurrences.every((record) => record?.state === 'completed' && record.createdAt > start)).toBe(true)
    mine.destroy()
  })
})
