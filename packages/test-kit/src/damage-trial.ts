import assert from 'node:assert/strict'
import {
  type Client,
  createClient,
  createScheduler,
  defineJob,
  jobId,
  type Logger,
  type OccurrenceId,
  systemClock,
} from '@jobistemer/core'
import { finalStates, type OccurrenceAddress, type Storage, unreadablePartOf } from '@jobistemer/core/storage'
import type { DamagedText } from '@jobistemer/storage-conformance'

/** The storage of a damage trial, and a function that damages one of its rows. */
export interface DamagePlace {
  connect(): Storage
  damage(damaged: DamagedText): Promise<void>
}

const handlers = { note: async () => 'noted' }
const coded = () => defineJob({ name: 'coded', tasks: [{ name: 'work', run: async () => 'worked' }] })
const data = (name: string) => defineJob({ name, overlapPolicy: 'queue', tasks: [{ name: 'work', handler: 'note' }] })

/**
 * Damages a version of a job with code, a version of a job that is data, and the details of a run. A node that starts then must
 * run all other jobs, and log the damaged records.
 * @throws AssertionError
 */
export async function damageTrial({ connect, damage }: DamagePlace, text: string): Promise<void> {
  const storage = connect()
  const client = createClient({ storage })
  try {
    const first = createScheduler({ storage: connect(), jobs: [coded()], handlers, logger: silent })
    await first.start()
    await first.add([data('intact'), data('damaged')])
    await first.shutdown()
    const ids = {
      coded: await requested(client, 'coded'),
      intact: await requested(client, 'intact'),
      damaged: await requested(client, 'damaged'),
      unreadable: await requested(client, 'intact', 'unreadable'),
    }
    const occurrence = await addressOf(storage, ids.unreadable)
    await damage({ part: 'details', occurrence, text })
    for (const name of ['coded', 'damaged']) await damage({ part: 'definition', job: jobId(name), version: 1, text })
    await runsTheOthers({ connect, client }, ids)
    await client.remove('damaged')
    await assert.rejects(client.job('damaged'), { code: 'JOB_NOT_FOUND' })
  } finally {
    await client.close()
    await storage.close()
  }
}

async function runsTheOthers(
  { connect, client }: { connect(): Storage; readonly client: Client },
  ids: Readonly<Record<'coded' | 'intact' | 'damaged' | 'unreadable', OccurrenceId>>,
): Promise<void> {
  const errors: { readonly fields: Record<string, unknown>; readonly message: string }[] = []
  const logger = {
    ...silent,
    error: (fields: object, message: string) => errors.push({ fields: { ...fields }, message }),
  }
  const node = createScheduler({ storage: connect(), jobs: [coded()], handlers, logger })
  try {
    await node.start()
    for (const id of [ids.coded, ids.intact]) assert.equal((await ended(client, id)).state, 'completed')
    const failed = await ended(client, ids.unreadable)
    assert.deepEqual([failed.state, failed.tasks[0]?.error?.code], ['failed', 'RECORD_UNREADABLE'])
    assert.equal((await client.occurrence(ids.damaged)).state, 'pending')
    // Opens a new connection, because a connection may cache versions, which normally never change.
    const reader = connect()
    const { jobs } = await reader.get({ jobs: [jobId('coded'), jobId('damaged')] })
    await reader.close()
    assert.deepEqual(
      jobs.map((job) => job && [job.version, unreadablePartOf(job)]),
      [
        [2, null],
        [1, 'definition'],
      ],
    )
  } finally {
    await node.shutdown()
  }
  const about = (message: RegExp) => errors.filter((line) => message.test(line.message)).map(({ fields }) => fields)
  assert.equal(about(/its slots and runs wait/)[0]?.jobId, jobId('damaged'))
  assert.match(String(about(/its slots and runs wait/)[0]?.remedy), /jobistemer remove/)
  assert.equal(about(/this node stores its own definition/)[0]?.jobId, jobId('coded'))
  assert.equal(about(/the run fails/)[0]?.occurrenceId, ids.unreadable)
}

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

async function requested(client: Client, job: string, key = 'intact'): Promise<OccurrenceId> {
  return (await client.trigger(job, { key, data: { key } })).id
}

async function addressOf(storage: Storage, id: OccurrenceId): Promise<OccurrenceAddress> {
  const [record] = (await storage.get({ occurrences: [id] })).occurrences
  assert.ok(record)
  return record
}

async function ended(client: Client, id: OccurrenceId) {
  for (;;) {
    const occurrence = await client.occurrence(id)
    if (finalStates.some((state) => state === occurrence.state)) return occurrence
    await new Promise<void>((resolve) => void systemClock.setTimer(20, resolve))
  }
}
