import type { Storage } from '@jobistemer/core/storage'
import type { RedisServer, TcpProxy } from '@jobistemer/test-servers'
import type { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, client: admin, proxy: through, open } = useServers()

interface Pair {
  readonly primary: RedisServer
  readonly replica: RedisServer
  /** The proxy through which the replica follows the primary. */
  readonly link: TcpProxy
}

/** A primary and a replica that follows it. */
async function startPair(): Promise<Pair> {
  const primary = await start({ 'repl-diskless-sync-delay': '0' })
  const link = await through(primary)
  const replica = await start({ replicaof: `${link.host} ${link.port}` })
  await untilFollowed(admin(primary.url))
  return { primary, replica, link }
}

/** Waits until the replica follows the primary, because a replica acknowledges writes only from then on. */
async function untilFollowed(primary: Redis): Promise<void> {
  await primary.set('followed', '')
  await primary.wait(1, 0)
}

const create = (storage: Storage, jobId: `job_${string}`) =>
  storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(jobId, 1)] })

describe('the option minReplicas', () => {
  it('makes a call wait until a replica has the written data', async () => {
    const { primary, replica } = await startPair()
    const storage = open({ url: primary.url, minReplicas: 1, waitTimeout: 40_000 })
    const job = await addJob(storage, 'alpha')
    expect(await create(storage, job.id)).toMatchObject([{ outcome: 'created', state: 'running' }])
    const client = admin(replica.url)
    expect(await client.hexists('{jobistemer:0}:heads', Buffer.from(job.id.slice(4).replaceAll('-', ''), 'hex'))).toBe(
      1,
    )
    // After this flush, the primary does not know the script, so the next call sends the whole script. That call must wait for
    // the replica too.
    await admin(primary.url).script('FLUSH')
    expect(await create(storage, job.id)).toMatchObject([{ outcome: 'exists', state: 'running' }])
  })

  it('makes a call fail with STORAGE_BUSY if too few replicas answer, and a repetition of the call finds the writes', async () => {
    const server = await start()
    const storage = open({ url: server.url, minReplicas: 1, waitTimeout: 50 })
    const job = await addJob(open({ url: server.url }), 'alpha')
    for (let attempt = 0; attempt < 2; attempt++) {
      const error = await refusal(create(storage, job.id))
      expect([error.code, error.field, error.value]).toEqual(['STORAGE_BUSY', 'minReplicas', 1])
    }
    expect(await create(open({ url: server.url }), job.id)).toMatchObject([{ outcome: 'exists', owner: { ...owner } }])
  })

  it('also makes a repeated call wait, although the repeated call writes nothing', async () => {
    const { primary, link } = await startPair()
    const job = await addJob(open({ url: primary.url, minReplicas: 1, waitTimeout: 40_000 }), 'alpha')
    // The primary counts the replica as connected, but receives no acknowledgements from it.
    link.loseAnswers()
    for (let attempt = 0; attempt < 2; attempt++) {
      const storage = open({ url: primary.url, minReplicas: 1, waitTimeout: 100 })
      expect((await refusal(create(storage, job.id))).code).toBe('STORAGE_BUSY')
    }
  })
})

describe('a failover of Redis', () => {
  it('loses writes that the replica had not received, and a lost occurrence can be created again', async () => {
    const { primary, replica, link } = await startPair()
    const before = open({ url: primary.url })
    const job = await addJob(open({ url: primary.url, minReplicas: 1, waitTimeout: 40_000 }), 'alpha')
    link.cut()
    expect(await create(before, job.id)).toMatchObject([{ outcome: 'created', state: 'running' }])
    await primary.kill()
    await admin(replica.url).replicaof('NO', 'ONE')
    const after = open({ url: replica.url })
    expect(await create(after, job.id)).toMatchObject([{ outcome: 'created', state: 'running', token: 1 }])
  })

  it('keeps writes that minReplicas acknowledged', async () => {
    const { primary, replica, link } = await startPair()
    const hasty = open({ url: primary.url, minReplicas: 1, waitTimeout: 200 })
    const job = await addJob(open({ url: primary.url, minReplicas: 1, waitTimeout: 40_000 }), 'alpha')
    link.cut()
    expect((await refusal(create(hasty, job.id))).code).toBe('STORAGE_BUSY')
    link.heal()
    await untilFollowed(admin(primary.url))
    const patient = open({ url: primary.url, minReplicas: 1, waitTimeout: 40_000 })
    expect(await create(patient, job.id)).toMatchObject([{ outcome: 'exists', state: 'running' }])
    await primary.kill()
    await admin(replica.url).replicaof('NO', 'ONE')
    expect(await create(open({ url: replica.url }), job.id)).toMatchObject([{ outcome: 'exists', state: 'running' }])
  })
})
