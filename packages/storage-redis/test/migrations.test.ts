import { jobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import type { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { Connection } from '../src/connection.ts'
import { bytesOfId, shardOf } from '../src/ids.ts'
import { type RedisStorageOptions, readOptions } from '../src/options.ts'
import type { StoredForm } from '../src/stored-form.ts'
import { headLayout } from '../src/stored-layouts.ts'
import { beforeScripts } from './before-scripts.ts'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { quiet } from './prefixes.ts'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, client: admin, open, onClose } = useServers()

const shards = 2
const names = Array.from({ length: 9 }, (_, index) => `job-${index}`)
const before = headLayout.at.maxQueued

/** An invented earlier form: heads without `maxQueued`, which a separate hash holds. */
const oldForm: StoredForm = { version: 0, migrations: [] }

/** The migration of the invented form to the present one, two jobs per step. A step that ran twice would damage the heads. */
const presentForm: StoredForm = {
  version: 1,
  migrations: [
    {
      to: 1,
      step: `
  local jobs = call('ZRANGEBYLEX', shard .. 'jobs', position == '' and '-' or '(' .. position, '+', 'LIMIT', 0, 2)
  for _, job in ipairs(jobs) do
    local head, limit = call('HGET', shard .. 'heads', job), call('HGET', shard .. 'limits', job)
    head = string.sub(head, 1, ${before}) .. struct.pack('<d', limit) .. string.sub(head, ${before + 1})
    call('HSET', shard .. 'heads', job, head)
  end
  if #jobs == 2 then return jobs[2] end
  call('DEL', shard .. 'limits')`,
    },
  ],
}

/** An invented form after the present one. */
const newForm: StoredForm = { version: 2, migrations: [{ to: 2, step: `call('SET', shard .. 'new', '')` }] }

const look = async (storage: Storage) => await storage.get({ jobs: names.map((name) => jobId(name)) })

/** Stores jobs and running occurrences in the old form. Some jobs have a handler key. Returns the jobs. */
async function startInOldForm() {
  const { url } = await start()
  const storage = open({ url, shards })
  for (const name of names) {
    const job = await addJob(storage, name, 'queue')
    await storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
  }
  const jobs = await look(storage)
  await storage.close()
  const client = admin(url)
  for (const id of names.map((name) => jobId(name))) {
    const shard = `{jobistemer:${shardOf(id, shards)}}:`
    const head = (await client.hgetBuffer(`${shard}heads`, bytesOfId(id))) as Buffer
    const withoutLimit = Buffer.concat([head.subarray(0, before), head.subarray(headLayout.end.maxQueued)])
    await client.hset(`${shard}limits`, bytesOfId(id), head.readDoubleLE(before))
    await client.hset(`${shard}heads`, bytesOfId(id), withoutLimit)
  }
  await client.hset('{jobistemer}:meta', 'schema', 0)
  return { url, client, jobs }
}

/** Opens the data as a package version with the given form does. */
async function openAs(form: StoredForm, options: RedisStorageOptions): Promise<void> {
  const connection = new Connection(readOptions({ logger: quiet, ...options }), form)
  onClose(() => connection.close())
  await connection.shards()
}

/** Returns a client that counts its script calls, and calls `beforeCall` before each. */
function watch(url: string, beforeCall: (count: number) => Promise<void> | void): Redis {
  const client = admin(url)
  let count = 0
  beforeScripts(client, () => beforeCall(++count))
  return client
}

const meta = (client: Redis) => client.hgetall('{jobistemer}:meta')
const forms = (client: Redis) =>
  Promise.all(Array.from({ length: shards }, (_, shard) => client.get(`{jobistemer:${shard}}:form`)))

describe('Redis data of an older form', () => {
  it('are migrated by the first storage that opens them, and can then be read and written', async () => {
    const { url, client, jobs } = await startInOldForm()
    await openAs(presentForm, { url })
    expect(await meta(client)).toEqual({ shards: '2', schema: '1' })
    expect(await forms(client)).toEqual(['1', '1'])
    const storage = open({ url })
    expect(await look(storage)).toEqual(jobs)
    const items = names.map((name) => slotItem(jobId(name), 2))
    const answers = await storage.createOccurrences({ now: slotAt(2), owner, items })
    expect(answers.every((answer) => answer.outcome === 'created' && answer.state === 'queued')).toBe(true)
    await assertLedger(storage)
  })

  it('are migrated once, even if several storages open them concurrently', async () => {
    const { url, client, jobs } = await startInOldForm()
    const waiting: (() => void)[] = []
    // Waits until all three storages have reached their first step, so that the steps run at the same time.
    const together = (count: number) =>
      new Promise<void>((resolve) => {
        if (count > 1) return resolve()
        waiting.push(resolve)
        if (waiting.length === 3) for (const go of waiting) go()
      })
    await Promise.all([1, 2, 3].map(() => openAs(presentForm, { client: watch(url, together) })))
    expect(await meta(client)).toEqual({ shards: '2', schema: '1' })
    expect(await look(open({ url }))).toEqual(jobs)
  })

  it('are migrated by the next storage if the first storage died at any step', async () => {
    for (let steps = 0; steps < 6; steps++) {
      const { url, client, jobs } = await startInOldForm()
      const dying = watch(url, (count) => {
        if (count > steps) throw new Error('Connection is closed.')
      })
      expect((await refusal(openAs(presentForm, { client: dying }))).code).toBe('STORAGE_UNREACHABLE')
      expect(await meta(client)).toEqual({ shards: '2', schema: '1', migratingFrom: '0' })
      expect((await refusal(openAs(oldForm, { url }))).code).toBe('STORAGE_SCHEMA_NEWER')
      await openAs(presentForm, { url })
      expect(await meta(client)).toEqual({ shards: '2', schema: '1' })
      expect(await look(open({ url }))).toEqual(jobs)
    }
  })

  it('are refused and not changed by a version that has no migration for them', async () => {
    const { url, client } = await startInOldForm()
    const error = await refusal(look(open({ url })))
    expect([error.code, error.field]).toEqual(['STORAGE_UNREADABLE', 'prefix'])
    expect(await meta(client)).toEqual({ shards: '2', schema: '0' })
    expect(await forms(client)).toEqual([null, null])
  })
})

describe('Redis data of a newer form', () => {
  it('are refused by storages that open them, and by storages that are already open', async () => {
    const { url } = await start()
    const storage = open({ url })
    const job = await addJob(storage, 'job-0')
    await openAs(newForm, { url })
    const create = () => storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
    for (const call of [create, () => look(storage), () => look(open({ url })), () => openAs(presentForm, { url })]) {
      expect((await refusal(call())).code).toBe('STORAGE_SCHEMA_NEWER')
    }
    expect(await admin(url).keys('{jobistemer:0}:[oh]:*')).toEqual([])
  })

  it('are refused from the first step of their migration on, even if the migrating storage died', async () => {
    const { url } = await start()
    const storage = open({ url, shards })
    await addJob(storage, names[0] as string)
    const slowForm: StoredForm = { version: 2, migrations: [{ to: 2, step: `return position .. 'x'` }] }
    const dying = watch(url, (count) => {
      if (count === 3) throw new Error('Connection is closed.')
    })
    expect((await refusal(openAs(slowForm, { client: dying }))).code).toBe('STORAGE_UNREACHABLE')
    expect(await forms(admin(url))).toEqual(['1+xx', null])
    expect((await refusal(look(storage))).code).toBe('STORAGE_SCHEMA_NEWER')
    expect((await refusal(look(open({ url })))).code).toBe('STORAGE_SCHEMA_NEWER')
  })
})
