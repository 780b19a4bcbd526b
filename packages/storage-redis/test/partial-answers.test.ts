import { type JobId, jobId } from '@jobistemer/core'
import { type CreateItem, partialAnswers, type Storage } from '@jobistemer/core/storage'
import { addJob, contentOf, finishItem, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { scriptsOf } from '../src/client.ts'
import { shardOf } from '../src/ids.ts'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, client: connect, open } = useServers()
const now = slotAt(9)

/** Opens a storage with two shards, with one job on each shard. The test can make the calls to the second shard fail. */
async function begin() {
  const { url } = await start()
  const client = connect(url)
  const storage = open({ client, shards: 2 })
  const jobs: JobId[] = []
  for (let index = 0; jobs.length < 2; index++) {
    if (shardOf(jobId(`job-${index}`), 2) === jobs.length)
      jobs.push((await addJob(storage, `job-${index}`, 'allow')).id)
  }
  const [here, away] = jobs as [JobId, JobId]
  const state = { isAway: false, isAllAway: false }
  const scripts = scriptsOf(client)
  const send = scripts.evalshaBuffer.bind(client)
  scripts.evalshaBuffer = async (...values) => {
    const fails = state.isAllAway || (state.isAway && String(values[2]).includes(':1}:'))
    if (fails) throw new Error('CLUSTERDOWN Hash slot not served')
    return await send(...values)
  }
  return { client, storage, here, away, state }
}

/** Returns the answers that the error of a call has. */
async function answersOf(call: Promise<unknown>): Promise<readonly unknown[] | undefined> {
  const error = await refusal(call)
  expect(error.code).toBe('STORAGE_BUSY')
  return partialAnswers.get(error)
}

const exclusion = (job: JobId, index: number): CreateItem => {
  const { kind: _kind, runs: _runs, ...item } = slotItem(job, index)
  return { ...item, kind: 'exclusion', reason: 'holiday' }
}

it('if one Redis shard fails, the error of a call has the answers of the other shard', async () => {
  const { storage, here, away, state } = await begin()
  const create = (items: readonly CreateItem[]) => storage.createOccurrences({ now, owner, items })
  await create([slotItem(here, 1), slotItem(away, 1), slotItem(here, 2), slotItem(away, 2)])
  state.isAway = true
  const created = expect.objectContaining({ outcome: 'created' })
  expect(await answersOf(create([slotItem(away, 3), slotItem(here, 3)]))).toEqual([null, created])
  const mixed = [triggerItem(here, 1), exclusion(here, 4), exclusion(away, 4), triggerItem(here, 2)]
  expect(await answersOf(create(mixed))).toEqual([created, created, null])
  const settled = storage.settle({ now, items: [finishItem(here, 1), finishItem(away, 1)] })
  expect(await answersOf(settled)).toEqual([expect.objectContaining({ outcome: 'ok' }), null])
  const canceled = [away, here].map(
    (job) => ({ ...slotItem(job, 2), reason: 'no', actor: null, mode: 'force' }) as const,
  )
  expect(await answersOf(storage.cancel({ now, items: canceled }))).toEqual([
    null,
    expect.objectContaining({ outcome: 'canceled' }),
  ])
  const changes = [away, here].map((id) => ({ kind: 'delete', id, expectedVersion: 7 }) as const)
  expect(await answersOf(storage.saveJobs({ now, changes }))).toEqual([
    null,
    expect.objectContaining({ outcome: 'conflict' }),
  ])
  state.isAway = false
  expect(await create(mixed)).toMatchObject([
    { outcome: 'exists' },
    { outcome: 'exists' },
    { outcome: 'created' },
    { outcome: 'created' },
  ])
})

it('two concurrent calls that fail for the same Redis shard have the answers to their own items', async () => {
  const { storage, here, away, state } = await begin()
  const items = [1, 2, 3].flatMap((index) => [slotItem(here, index), slotItem(away, index)])
  await storage.createOccurrences({ now, owner, items })
  state.isAway = true
  const cancel = (jobs: readonly (readonly [JobId, number])[]) =>
    storage.cancel({
      now,
      items: jobs.map(([job, index]) => ({ ...slotItem(job, index), reason: 'no', actor: null, mode: 'force' })),
    })
  const canceled = expect.objectContaining({ outcome: 'canceled' })
  const calls = [
    cancel([
      [here, 1],
      [away, 1],
    ]),
    cancel([
      [away, 2],
      [here, 2],
    ]),
  ]
  expect(await Promise.all(calls.map(answersOf))).toEqual([
    [canceled, null],
    [null, canceled],
  ])
  expect(await cancel([[here, 3]])).toEqual([canceled])
})

it('two concurrent calls have the answers to their own items if the same check of the namespace fails for both', async () => {
  const { client, storage, here, away } = await begin()
  // The server then has the script, so each later call needs one command.
  await storage.createOccurrences({ now, owner, items: [triggerItem(here, 9)] })
  const scripts = scriptsOf(client)
  const send = scripts.evalshaBuffer.bind(client)
  let answered = 0
  scripts.evalshaBuffer = async (...values) => {
    if (String(values[2]).includes(':1}:')) throw new Error('SPREAD the shard has lost its data')
    const answer = await send(...values)
    answered++
    return answer
  }
  client.eval = async () => {
    // The check of the namespace fails only after the first shard has answered both calls.
    await expect.poll(() => answered).toBe(2)
    throw new Error('CLUSTERDOWN Hash slot not served')
  }
  const create = (items: readonly CreateItem[]) => answersOf(storage.createOccurrences({ now, owner, items }))
  const answers = await Promise.all([
    create([triggerItem(here, 1), triggerItem(away, 1)]),
    create([triggerItem(away, 2), triggerItem(here, 1)]),
  ])
  expect(answers).toEqual([
    [expect.objectContaining({ outcome: 'created' }), null],
    [null, expect.objectContaining({ outcome: 'exists' })],
  ])
})

it('if no Redis shard answers, a call fails as a whole', async () => {
  const { storage, here, away, state } = await begin()
  state.isAllAway = true
  const items = [slotItem(here, 1), slotItem(away, 1)]
  expect(await answersOf(storage.createOccurrences({ now, owner, items }))).toBeUndefined()
  const changes = items.map(({ jobId: id }) => ({ kind: 'delete', id, expectedVersion: null }) as const)
  expect(await answersOf(storage.saveJobs({ now, changes }))).toBeUndefined()
})

it('a claim that leaves out a Redis shard asks for a further claim 1 s later', async () => {
  const { storage, away, state } = await begin()
  await storage.createOccurrences({ now, owner, items: [{ ...triggerItem(away, 1), runs: null }] })
  state.isAway = true
  const claim = async () => await storage.claim({ now, owner, limit: 5, exceptHandlerKeys: [], sweep: false })
  expect(await claim()).toMatchObject({ claimed: [], nextDueAt: now + 1000 })
  state.isAway = false
  await expect.poll(async () => (await claim()).claimed.map(({ jobId }) => jobId)).toEqual([away])
})

it('if one Redis shard fails, an item of another shard that takes several script calls has no answer yet', async () => {
  const { storage, here, away, state } = await begin()
  await storage.saveJobs({ now, changes: [await policy(storage, here, 'queue')] })
  const waiting = Array.from({ length: 600 }, (_, key) => ({
    ...triggerItem(here, key, slotAt(1) + key),
    jobVersion: 2,
    runs: null,
  }))
  const answers = await storage.createOccurrences({ now, owner, items: waiting })
  expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(['created']))
  await storage.saveJobs({ now, changes: [await policy(storage, here, 'queue_one')] })
  state.isAway = true
  const items = [{ ...triggerItem(here, 1000, slotAt(5)), jobVersion: 3, runs: null }, triggerItem(away, 1)]
  expect(await answersOf(storage.createOccurrences({ now, owner, items }))).toEqual([null, null])
  state.isAway = false
  const later = await storage.createOccurrences({ now, owner, items })
  expect(later).toMatchObject([{ outcome: 'created' }, { outcome: 'created' }])
})

async function policy(storage: Storage, id: JobId, name: 'queue' | 'queue_one') {
  const [job] = (await storage.get({ jobs: [id] })).jobs
  if (job == null) throw new Error('no job')
  return {
    kind: 'replace',
    id,
    content: { ...contentOf(job.name, name), overlap: { policy: name, maxQueued: 1000 }, fingerprint: name },
    expectedVersion: job.version,
    expectedWatermark: job.watermark,
    waiting: 'keep',
  } as const
}
