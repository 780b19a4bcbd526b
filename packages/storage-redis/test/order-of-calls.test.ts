import type { SettleItem, Storage } from '@jobistemer/core/storage'
import { addJob, minute, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import type { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { scriptsOf } from '../src/client.ts'
import { newPrefix, quiet } from './prefixes.ts'
import { useServers } from './servers.ts'

const servers = useServers()

interface Sent {
  readonly call: 'claim' | 'other'
  /** Delivers the server's answer to the client. With `failure`, delivers the failure instead. */
  readonly hear: (failure?: Error) => void
}

/**
 * Returns a client that records in `sent` the scripts which it sends. The client receives an answer only when the test
 * calls `hear`. A script call with a second key is recorded as a claim.
 */
function deafClient(client: Redis, sent: Sent[]): Redis {
  const scripts = scriptsOf(client)
  const send = scripts.evalshaBuffer.bind(client)
  scripts.evalshaBuffer = async (...values) => {
    const answer = send(...values)
    // While a rejection waits for `hear`, this handler keeps Node.js from reporting it as unhandled.
    answer.catch(() => {})
    const failure = await new Promise<Error | undefined>((hear) => {
      sent.push({ call: values[1] === 2 ? 'claim' : 'other', hear })
    })
    if (failure !== undefined) throw failure
    return await answer
  }
  return client
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Returns a storage with three running occurrences, and settle items that end them. */
async function running(): Promise<{ storage: Storage; sent: Sent[]; ends: readonly SettleItem[] }> {
  const { url } = await servers.start()
  const prefix = newPrefix()
  const filling = servers.open({ url, prefix, logger: quiet })
  const { id: job } = await addJob(filling, 'alpha', 'allow')
  const items = [1, 2, 3].map((slot) => ({ ...slotItem(job, slot), runs: [] }))
  for (const item of items) await filling.createOccurrences({ now: slotAt(4), owner, items: [item] })
  const sent: Sent[] = []
  const storage = servers.open({ client: deafClient(servers.client(url), sent), prefix, logger: quiet })
  // The first call reads the stored settings of the prefix, so that the following calls send only their own scripts.
  const first = storage.get({ jobs: [job] })
  await expect.poll(() => sent.length).toBe(1)
  sent.shift()?.hear()
  await first
  const change = { kind: 'finish', state: 'completed', reason: null } as const
  const ends = items.map(({ id, jobId, scheduledAt }) => ({
    ...{ id, jobId, scheduledAt, token: 1, sequence: 1, runs: [], change },
  }))
  return { storage, sent, ends }
}

const claimOf = (storage: Storage) => {
  return storage.claim({ now: slotAt(4) + minute, owner, limit: 1, exceptHandlerKeys: [], sweep: false })
}

const end = (storage: Storage, item: SettleItem | undefined) => {
  return storage.settle({ now: slotAt(4) + minute, items: item === undefined ? [] : [item] })
}

it('a settle of the end of a run waits for the answer to a claim that Redis has not yet started to process', async () => {
  const { storage, sent, ends } = await running()
  const claiming = claimOf(storage)
  const ending = end(storage, ends[0])
  await turns()
  expect(sent.map(({ call }) => call)).toEqual(['claim'])
  sent[0]?.hear()
  await claiming
  await turns()
  expect(sent.map(({ call }) => call)).toEqual(['claim', 'other'])
  sent[1]?.hear()
  expect(await ending).toMatchObject([{ outcome: 'ok' }])
})

it('a settle of the end of a run does not wait for a claim that Redis has started to process', async () => {
  const { storage, sent, ends } = await running()
  const earlier = end(storage, ends[0])
  await turns()
  const claiming = claimOf(storage)
  await turns()
  // The client receives the answer to the settle that was sent before the claim.
  sent[0]?.hear()
  await earlier
  const ending = end(storage, ends[1])
  await turns()
  expect(sent.map(({ call }) => call)).toEqual(['other', 'claim', 'other'])
  for (const { hear } of sent) hear()
  expect(await ending).toMatchObject([{ outcome: 'ok' }])
  await claiming
})

it('a settle of the end of a run is sent even if the claim for which it waits fails', async () => {
  const { storage, sent, ends } = await running()
  const claiming = claimOf(storage)
  const ending = end(storage, ends[0])
  await turns()
  sent[0]?.hear(new Error('Connection is closed.'))
  await expect(claiming).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' })
  await turns()
  expect(sent.map(({ call }) => call)).toEqual(['claim', 'other'])
  sent[1]?.hear()
  expect(await ending).toMatchObject([{ outcome: 'ok' }])
})
