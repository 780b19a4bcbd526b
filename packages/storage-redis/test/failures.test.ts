import type { JobRecord, Storage } from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import type { RedisServer } from '@jobistemer/test-servers'
import type { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { storageError } from '../src/redis-errors.ts'
import { addJob, finishItem, minute, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, proxy: through, client: admin, open } = useServers()

it('the error of a command in a script is not an error of the database number', () => {
  const error = new Error('ERR value is not an integer or out of range script: 1eb63ca4, on @user_script:1.')
  expect(storageError(error, 'redis://localhost:6379', null).code).toBe('STORAGE_FAILED')
})

const owners = { node: owner.node, incarnation: owner.incarnation }

async function startSlot(storage: Storage, job: JobRecord, index: number): Promise<void> {
  const now = slotAt(index)
  const [answer] = await storage.createOccurrences({ now, owner, items: [slotItem(job.id, index)] })
  expect(answer).toMatchObject({ outcome: 'created', state: 'running' })
}

async function finishSlot(storage: Storage, job: JobRecord, index: number): Promise<void> {
  const answers = await storage.settle({ now: slotAt(index) + 20, items: [finishItem(job.id, index)] })
  expect(answers).toEqual([{ outcome: 'ok', woken: null, cancelRequested: null }])
}

/**
 * Repeats a call until the storage answers, as a scheduler does. Returns the answer and the codes of the failures.
 * Between two attempts, waits until the server answers another client.
 */
async function repeat<T>(
  server: Redis,
  call: () => Promise<T>,
): Promise<{ readonly answer: T; readonly codes: ReadonlySet<string> }> {
  const codes = new Set<string>()
  for (;;) {
    try {
      return { answer: await call(), codes }
    } catch (error) {
      codes.add((error as { code: string }).code)
    }
    await server.ping()
  }
}

/** Polls through a working connection until the effect of a call is visible. */
async function until(isDone: () => Promise<boolean>): Promise<void> {
  while (!(await isDone()));
}

/** Opens a client that waits for its server without limit. */
const patient = (url: string) => admin(url, { maxRetriesPerRequest: null })

/**
 * Opens a storage with a command timeout of 300 ms. Before the return, the storage has answered one call. The opening
 * may take longer than the timeout on a busy machine, so this function repeats that call.
 */
async function hasty(server: RedisServer, url = server.url): Promise<{ storage: Storage; job: JobRecord }> {
  const job = await addJob(open({ url: server.url }), 'alpha')
  const storage = open({ url, commandTimeout: 300, waitTimeout: 100 })
  await repeat(patient(server.url), () => storage.get({ jobs: [job.id] }))
  return { storage, job }
}

/**
 * Makes the server cache all scripts. Without this, the server might answer the tested call that it does not know the
 * script. The call would then have no effect. But the test needs a call that takes effect before its answer is lost.
 */
async function loadScripts(storage: Storage): Promise<void> {
  const other = await addJob(storage, 'other')
  await startSlot(storage, other, 1)
  await finishSlot(storage, other, 1)
  await storage.claim({ now: slotAt(0), owner, limit: 0, exceptHandlerKeys: [], sweep: false })
}

describe('a Redis server that is killed and restarted', () => {
  it('has lost no acknowledged write if appendfsync is always', async () => {
    const server = await start({ appendonly: 'yes', appendfsync: 'always' })
    const storage = open({ url: server.url })
    const jobs: JobRecord[] = []
    for (let index = 0; index < 20; index++) jobs.push(await addJob(storage, `job-${index}`))
    const other = patient(server.url)
    let acknowledged = 0
    let failures = 0
    let wasKilled = false
    for (let round = 1; round <= 60; round++) {
      const items = jobs.map(({ id }) => slotItem(id, round))
      // Restarts the server in the rounds 25 and 50. The calls of these rounds may fail, with or without effect.
      const restart = round % 25 === 0 ? server.kill().then(() => server.restart()) : null
      const created = await repeat(other, () => storage.createOccurrences({ now: slotAt(round), owner, items }))
      for (const answer of created.answer) {
        expect(['created', 'exists']).toContain(answer.outcome)
        expect(answer).toMatchObject({ state: 'running', token: 1 })
      }
      const settled = await repeat(other, () =>
        storage.settle({ now: slotAt(round) + 20, items: jobs.map(({ id }) => finishItem(id, round)) }),
      )
      for (const answer of settled.answer) expect(answer.outcome).toBe('ok')
      await restart
      wasKilled ||= restart !== null
      for (const code of [...created.codes, ...settled.codes]) {
        expect(code).toBe('STORAGE_UNREACHABLE')
        failures++
      }
      acknowledged = round
    }
    expect(wasKilled && failures > 0).toBe(true)
    for (const { id } of jobs) {
      const query = { kind: 'job', jobId: id, order: 'ascending', limit: 100, cursor: null, runs: false } as const
      const { items } = await storage.listOccurrences(query)
      expect(items.map(({ scheduledAt }) => scheduledAt)).toEqual(
        Array.from({ length: acknowledged }, (_, index) => slotAt(index + 1)),
      )
      expect(items.every(({ state }) => state === 'completed')).toBe(true)
    }
    await assertLedger(storage, { atRest: true })
  })
})

describe('a Redis server that drops its scripts', () => {
  it('gets the scripts again from the storage', async () => {
    const server = await start()
    const client = admin(server.url)
    const storage = open({ url: server.url })
    const job = await addJob(storage, 'alpha')
    for (let index = 1; index <= 3; index++) {
      await client.script('FLUSH')
      await startSlot(storage, job, index)
      await client.script('FLUSH')
      await finishSlot(storage, job, index)
    }
    await client.script('FLUSH')
    await assertLedger(storage, { atRest: true })
  })

  it('does not interrupt storage calls that are in progress', async () => {
    const server = await start()
    const client = admin(server.url)
    const storage = open({ url: server.url })
    const jobs = await Promise.all(Array.from({ length: 30 }, (_, index) => addJob(storage, `job-${index}`)))
    const flushes = (async () => {
      for (let round = 0; round < 30; round++) await client.script('FLUSH')
    })()
    await Promise.all(
      jobs.map(async (job) => {
        for (let index = 1; index <= 5; index++) {
          await startSlot(storage, job, index)
          await finishSlot(storage, job, index)
        }
      }),
    )
    await flushes
    await assertLedger(storage, { atRest: true })
  })
})

describe('a Redis server at its memory limit', () => {
  it('rejects new occurrences with an error, and accepts ends and prunes', async () => {
    const server = await start()
    const client = admin(server.url)
    const storage = open({ url: server.url })
    const [alpha, beta] = [await addJob(storage, 'alpha'), await addJob(storage, 'beta')]
    await startSlot(storage, alpha, 1)
    await finishSlot(storage, alpha, 1)
    await startSlot(storage, alpha, 2)
    await client.config('SET', 'maxmemory', '1mb')
    const items = [slotItem(beta.id, 1)]
    const error = await refusal(storage.createOccurrences({ now: slotAt(1), owner, items }))
    expect(error.code).toBe('STORAGE_FULL')
    expect(error.remedy).toContain('prune')
    // A call over several shards may have stored what it had for the other shards.
    expect(error.message).not.toContain('Nothing')
    expect((await refusal(addJob(storage, 'gamma'))).code).toBe('STORAGE_FULL')
    await finishSlot(storage, alpha, 2)
    const claim = { now: slotAt(3), owner, limit: 10, exceptHandlerKeys: [], sweep: true }
    expect((await storage.claim(claim)).claimed).toEqual([])
    const pruned = await storage.prune({ now: slotAt(3), jobId: null, before: slotAt(3), keep: 0, limit: 100 })
    expect(pruned).toEqual({ removed: 2, more: false })
    await client.config('SET', 'maxmemory', '0')
    await startSlot(storage, beta, 1)
    await finishSlot(storage, beta, 1)
    await assertLedger(storage, { atRest: true })
  })
})

describe('a Redis server that does not answer', () => {
  it('makes a call fail at its time limit, and answers the next call once it runs again', async () => {
    const server = await start()
    const { storage, job } = await hasty(server)
    // Without this, the server might answer only that it does not know the script. If the connection then breaks before
    // the storage sends the whole script, the timed-out call has no effect.
    await loadScripts(open({ url: server.url }))
    process.kill(server.pid, 'SIGSTOP')
    const error = await refusal(storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] }))
    process.kill(server.pid, 'SIGCONT')
    expect([error.code, error.field, error.value]).toEqual(['STORAGE_BUSY', 'commandTimeout', 300])
    // The server executes the timed-out call only after SIGCONT. The repeated call must recognize the effect of the
    // timed-out call.
    const { answer } = await repeat(patient(server.url), () =>
      storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] }),
    )
    expect(answer[0]).toMatchObject({ outcome: 'exists', state: 'running', owner: owners })
  })

  it('does not prevent closing the storage', async () => {
    const server = await start()
    const { storage, job } = await hasty(server)
    process.kill(server.pid, 'SIGSTOP')
    const call = refusal(storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] }))
    // Waits until the storage has sent the call, because `close` would reject a call that is not sent yet.
    await new Promise((resolve) => setImmediate(resolve))
    await storage.close()
    process.kill(server.pid, 'SIGCONT')
    expect((await call).code).toBe('STORAGE_BUSY')
  })
})

describe('a connection to Redis that silently stopped transferring data', () => {
  it('is replaced soon after a call got no answer', async () => {
    const server = await start()
    const proxy = await through(server)
    const { storage, job } = await hasty(server, `redis://${proxy.host}:${proxy.port}`)
    proxy.freezeConnections()
    const { answer, codes } = await repeat(patient(server.url), () => storage.get({ jobs: [job.id] }))
    expect(answer.jobs).toEqual([job])
    expect(['STORAGE_BUSY', 'STORAGE_UNREACHABLE']).toEqual(expect.arrayContaining([...codes]))
  })
})

describe('answers of Redis that are lost', () => {
  it('make the call fail at once, and the repeated call finds the writes of the first call', async () => {
    const server = await start()
    const proxy = await through(server)
    const storage = open({ url: `redis://${proxy.host}:${proxy.port}` })
    const job = await addJob(storage, 'alpha')
    await loadScripts(storage)
    proxy.loseAnswers()
    const call = refusal(storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] }))
    const direct = open({ url: server.url })
    await until(async () => {
      const { jobs } = await direct.get({ jobs: [job.id] })
      return jobs[0]?.watermark === slotAt(1)
    })
    proxy.heal()
    expect((await call).code).toBe('STORAGE_UNREACHABLE')
    const { answer } = await repeat(patient(server.url), () =>
      storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] }),
    )
    expect(answer[0]).toMatchObject({ outcome: 'exists', state: 'running', owner: owners })
  })

  it('make a claim reject if the ioredis client has sent this claim to Redis twice', async () => {
    const server = await start()
    const proxy = await through(server)
    const direct = open({ url: server.url })
    const job = await addJob(direct, 'alpha', 'allow')
    const items = [1, 2].map((index) => ({ ...slotItem(job.id, index), runs: null }))
    await direct.createOccurrences({ now: slotAt(2), owner, items })
    const client = admin(`redis://${proxy.host}:${proxy.port}`)
    const storage = open({ client })
    await loadScripts(storage)
    proxy.loseAnswers()
    const claim = { now: slotAt(2), owner, limit: 1, exceptHandlerKeys: [], sweep: false }
    const call = refusal(storage.claim(claim))
    const running = { kind: 'live', state: 'running', node: owner.node, runs: false, limit: 9, cursor: null } as const
    await until(async () => (await direct.listOccurrences(running)).items.length > 0)
    proxy.heal()
    const error = await call
    expect([error.code, error.field]).toEqual(['STORAGE_BUSY', 'claim'])
    expect((await storage.listOccurrences(running)).items).toHaveLength(1)
    expect((await storage.claim(claim)).claimed).toHaveLength(1)
  })
})

describe('a Redis primary that becomes a replica', () => {
  it('makes calls fail with STORAGE_BUSY until the client has reached the new primary', async () => {
    const server = await start()
    const storage = open({ url: server.url })
    const job = await addJob(storage, 'alpha')
    const other = await start()
    const client = admin(server.url)
    await client.replicaof(other.host, other.port)
    const { code } = await refusal(storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] }))
    expect(code).toBe('STORAGE_BUSY')
    await client.replicaof('NO', 'ONE')
    const { answer } = await repeat(client, () => addJob(storage, 'beta'))
    expect(answer.createdAt).toBe(slotAt(0))
  })
})

describe('a key of another application in Redis', () => {
  it('is not overwritten if it begins with the storage’s prefix', async () => {
    const server = await start()
    const client = admin(server.url)
    await client.set('{jobistemer:0}:heads', 'mine')
    const storage = open({ url: server.url })
    expect((await refusal(addJob(storage, 'alpha'))).code).toBe('STORAGE_FOREIGN')
    expect(await client.get('{jobistemer:0}:heads')).toBe('mine')
  })
})

describe('large numbers and unusual texts in Redis', () => {
  it('are read back unchanged', async () => {
    const server = await start()
    const storage = open({ url: server.url })
    const last = 8.64e15 - minute
    const first = -8.64e15
    const text = 'Grüße, "\\" 世界 🌍 \u0000 \u2028 {}'
    const job = await addJob(storage, text, 'queue')
    const strange = { ...owner, node: text }
    const request = (scheduledAt: number, key: string) => ({
      ...slotItem(job.id, 1),
      kind: 'trigger' as const,
      id: `occ_${key.repeat(8)}-${key.repeat(4)}-5${key.repeat(3)}-8${key.repeat(3)}-${key.repeat(12)}` as const,
      scheduledAt,
      dueAt: scheduledAt,
      details: { data: { [text]: [text, 1e300, -0.5] }, requestReason: text },
    })
    const items = [request(last, 'a'), request(first, 'b')]
    const answers = await storage.createOccurrences({ now: last, owner: strange, items })
    expect(answers.map((answer) => answer.outcome === 'created' && answer.state)).toEqual(['running', 'queued'])
    const query = { kind: 'job', jobId: job.id, limit: 1, cursor: null, runs: true } as const
    const ascending = await storage.listOccurrences({ ...query, order: 'ascending' })
    expect(ascending.items).toMatchObject([{ scheduledAt: first, details: items[1]?.details, state: 'queued' }])
    const next = await storage.listOccurrences({ ...query, order: 'ascending', cursor: ascending.cursor })
    expect(next.items).toMatchObject([{ scheduledAt: last, startedAt: last, owner: strange, runs: items[0]?.runs }])
    const descending = await storage.listOccurrences({ ...query, order: 'descending' })
    expect(descending.items).toEqual(next.items)
    const [settled] = await storage.settle({
      now: last + 1,
      items: [
        {
          ...finishItem(job.id, 1),
          id: `occ_aaaaaaaa-aaaa-5aaa-8aaa-aaaaaaaaaaaa`,
          scheduledAt: last,
          change: { kind: 'finish', state: 'failed', reason: text },
        },
      ],
    })
    expect(settled).toMatchObject({ outcome: 'ok', woken: { scheduledAt: first } })
    const { claimed } = await storage.claim({ now: last + 2, owner, limit: 5, exceptHandlerKeys: ['x'], sweep: true })
    expect(claimed).toMatchObject([{ scheduledAt: first, startedAt: last + 2, details: items[1]?.details }])
    const { occurrences, jobs } = await storage.get({ jobs: [job.id], occurrences: [items[0]?.id ?? 'occ_'] })
    expect(occurrences).toMatchObject([{ state: 'failed', reason: text, finishedAt: last + 1 }])
    expect(jobs).toEqual([job])
  })
})
