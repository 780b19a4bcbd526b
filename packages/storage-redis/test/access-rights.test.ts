import { readFileSync } from 'node:fs'
import type { Storage } from '@jobistemer/core/storage'
import { startRedisCluster } from '@jobistemer/test-servers'
import { Cluster } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { addJob, finishItem, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, client: admin, open, onClose } = useServers()

/** Reads the access rule from the package's guide, as the arguments of the command `ACL`. */
function ruleOfGuide(): readonly string[] {
  const guide = readFileSync(new URL('../docs/guide.md', import.meta.url), 'utf8')
  const rule = /```text\n(ACL SETUSER [^`]+)```/.exec(guide)?.[1]
  if (rule === undefined) throw new Error('the guide has no rule')
  return rule.replaceAll('\\\n', ' ').trim().split(/\s+/).slice(1)
}

/** Starts a server with the user that the package's guide describes. Returns the URL for that user. */
async function startForUser(rule: readonly string[]): Promise<string> {
  const server = await start()
  await admin(server.url).call('ACL', ...rule)
  return server.url.replace('redis://', 'redis://scheduler:secret@')
}

/** Calls all operations of a storage except subscriptions. */
async function useAll(storage: Storage): Promise<void> {
  const job = await addJob(storage, 'alpha', 'queue')
  const beta = await addJob(storage, 'beta', 'cancel_running')
  const claim = { now: slotAt(9), owner, limit: 10, exceptHandlerKeys: ['beta'], sweep: true }
  const slots = (id: typeof job.id) => [1, 2, 3].map((index) => slotItem(id, index))
  await storage.createOccurrences({ now: slotAt(3), owner, items: slots(job.id) })
  await storage.createOccurrences({ now: slotAt(3), owner, items: slots(beta.id) })
  await storage.settle({ now: slotAt(3), items: [finishItem(job.id, 1)] })
  const [claimed] = (await storage.claim(claim)).claimed
  expect(claimed).toMatchObject({ scheduledAt: slotAt(2), token: 1 })
  const { id, jobId, scheduledAt } = slotItem(job.id, 2)
  const address = { id, jobId, scheduledAt }
  const reaped = { ...address, token: 1, sequence: 0, runs: [], action: 'retry', reason: 'deadline' } as const
  expect((await storage.reap({ now: slotAt(9), items: [reaped] }))[0]?.outcome).toBe('reaped')
  const cancel = { ...address, reason: 'stop', actor: null, mode: 'force' } as const
  expect((await storage.cancel({ now: slotAt(9), items: [cancel] }))[0]?.outcome).toBe('canceled')
  const pages = { limit: 10, cursor: null, runs: true } as const
  await storage.listOccurrences({ ...pages, kind: 'job', jobId, order: 'descending', from: slotAt(1), to: slotAt(9) })
  await storage.listOccurrences({ ...pages, kind: 'job', jobId, order: 'ascending', states: ['pending'] })
  for (const order of ['ascending', 'descending'] as const) {
    const query = { kind: 'job', jobId, order, limit: 1, runs: false } as const
    const { cursor } = await storage.listOccurrences({ ...query, cursor: null })
    await storage.listOccurrences({ ...query, cursor })
  }
  for (const state of ['pending', 'queued', 'running'] as const) {
    await storage.listOccurrences({ ...pages, kind: 'live', state })
  }
  const many = await Promise.all(Array.from({ length: 8 }, (_, index) => addJob(storage, `job-${index}`)))
  await storage.createOccurrences({ now: slotAt(1), owner, items: many.map((one) => slotItem(one.id, 1)) })
  expect((await storage.listJobs({ due: { upTo: slotAt(9) }, limit: 3, cursor: null })).items).toHaveLength(3)
  const node = { ...owner, counter: 1, startedAt: 0, leaving: false, about: {} }
  const beat = { now: 0, profile: {}, profilesOf: [owner.incarnation] }
  await storage.heartbeat({ ...beat, own: node, remove: [] })
  const remove = [{ incarnation: owner.incarnation, counter: 1 }]
  expect(await storage.heartbeat({ ...beat, own: null, remove })).toEqual({ nodes: [], profiles: [null] })
  await storage.listJobs({ limit: 10, cursor: null, changedSince: slotAt(0), owner: 'x' })
  await storage.saveJobs({ now: slotAt(9), changes: [{ kind: 'delete', id: beta.id, expectedVersion: 1 }] })
  await storage.get({ jobs: [jobId], versions: [{ jobId, version: 1 }], occurrences: [id] })
  await storage.prune({ now: slotAt(9), jobId: null, before: slotAt(9), keep: 0, limit: 100 })
  expect(await storage.serverTime?.()).toBeGreaterThan(0)
}

describe('the Redis access rights that the guide lists', () => {
  it('allow every call of the storage', async () => {
    const storage = open({ url: await startForUser(ruleOfGuide()), minReplicas: 0 })
    const heard = new Promise<void>((resolve) => storage.subscribe?.(() => resolve()))
    await heard
    await useAll(storage)
  })

  it('allow no access to keys outside of the prefix', async () => {
    const url = await startForUser(ruleOfGuide())
    const error = await refusal(addJob(open({ url, prefix: 'other' }), 'alpha'))
    expect(error.code).toBe('STORAGE_UNREADABLE')
    expect(error.remedy).toContain('guide.md')
    await expect(admin(url).get('somebody')).rejects.toThrow('NOPERM')
  })

  it('allow no access to keys of a longer prefix that begins with the allowed prefix', async () => {
    const rule = ruleOfGuide().map((part) => part.replaceAll('jobistemer', 'a'))
    const url = await startForUser(rule)
    await addJob(open({ url, prefix: 'a' }), 'alpha')
    expect(() => open({ url, prefix: 'a:tenant' })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'prefix', value: 'a:tenant' }),
    )
    for (const prefix of ['a.tenant', 'a-tenant', 'a/tenant', 'ab', 'A']) {
      const error = await refusal(addJob(open({ url, prefix }), 'alpha'))
      expect([prefix, error.code]).toEqual([prefix, 'STORAGE_UNREADABLE'])
    }
  })

  it('are all necessary, except the rights that the guide marks as optional', async () => {
    const rule = ruleOfGuide()
    const server = await start()
    const url = server.url.replace('redis://', 'redis://scheduler:secret@')
    const spared: string[] = []
    for (const right of rule.filter((part) => part.startsWith('+'))) {
      await admin(server.url).flushall()
      await admin(server.url).call('ACL', ...rule.filter((part) => part !== right))
      const refused = await useAll(open({ url })).then(
        () => null,
        (error) => error.code,
      )
      if (refused === null) spared.push(right.slice(1))
      else expect([right, refused]).toEqual([right, 'STORAGE_UNREADABLE'])
    }
    const named = ['hello', 'auth', 'select', 'ping', 'client|setinfo', 'subscribe', 'unsubscribe', 'wait']
    expect(spared).toEqual(named)
    const guide = readFileSync(new URL('../docs/guide.md', import.meta.url), 'utf8')
    for (const right of named) expect(guide).toContain(`\`${right}\``)
  })

  it('include WAIT: without it, a call with minReplicas fails after its write', async () => {
    const url = await startForUser(ruleOfGuide().filter((part) => part !== '+wait'))
    expect((await refusal(addJob(open({ url, minReplicas: 1 }), 'alpha'))).code).toBe('STORAGE_UNREADABLE')
    expect((await open({ url }).listJobs({ limit: 10, cursor: null })).items).toHaveLength(1)
  })

  it('allow every call on a Redis Cluster together with the two rights that the guide adds', async () => {
    const cluster = await startRedisCluster({ masters: 3 })
    onClose(() => cluster.stop())
    for (const { host, port } of cluster.nodes) {
      const rule = [...ruleOfGuide(), '+cluster|slots', '+cluster|info']
      await admin(`redis://${host}:${port}`).call('ACL', ...rule)
    }
    const client = new Cluster(
      cluster.nodes.map(({ host, port }) => ({ host, port })),
      { redisOptions: { username: 'scheduler', password: 'secret' } },
    )
    onClose(() => client.disconnect())
    const storage = open({ client })
    await new Promise<void>((resolve) => storage.subscribe?.(() => resolve()))
    await useAll(storage)
  })
})
