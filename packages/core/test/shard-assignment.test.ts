import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf, readNodeCapabilities } from '../src/engine/cluster/code/node-capabilities.ts'
import type { Heartbeats } from '../src/engine/cluster/heartbeats.ts'
import { FleetCode } from '../src/engine/cluster/code/fleet-code.ts'
import { ShardAssignment } from '../src/engine/cluster/shard-assignment.ts'
import type { RegisteredJob } from '../src/engine/definitions/registered-job.ts'
import { jobId } from '../src/ids.ts'
import { fingerprintOfJob } from '../src/job/job-content.ts'
import type { NodeProfile, NodeRecord } from '../src/storage/node-record.ts'

type Member = { readonly name: string; readonly profile?: NodeProfile | null; readonly counter?: number }

const plain: NodeProfile = { handlers: ['work'], jobs: '' }

function digestOf({ name, profile = plain }: Member): string {
  return profile === null ? name : JSON.stringify(profile)
}

/** What a node of a build with these jobs says. */
function codeWith(jobs: readonly RegisteredJob[], handlers: readonly string[] = []) {
  const own = jobs.map(({ job }) => job)
  return codeOf({ jobs: own, definitions: own, handlers, defaults: {} })
}

/** The shard assignment of the node with this name, beside these living nodes. */
async function assignmentOf(
  self: Member,
  others: readonly Member[],
  { onLook = () => {} }: { readonly onLook?: () => void } = {},
): Promise<ShardAssignment> {
  let send = () => {}
  const records = others.map(
    (member): NodeRecord => ({
      node: member.name,
      incarnation: member.name,
      counter: member.counter ?? 1,
      startedAt: 0,
      leaving: false,
      about: { code: digestOf(member) },
    }),
  )
  const profiles = new Map(others.map(({ name, profile = plain }) => [name, profile]))
  const capabilities = readNodeCapabilities(self.profile === undefined ? plain : self.profile)
  const canRun: typeof capabilities.canRun = (job) => {
    onLook()
    return capabilities.canRun(job)
  }
  const code = new FleetCode(() => ({
    profile: null,
    digest: digestOf(self),
    capabilities: { ...capabilities, canRun },
  }))
  code.refresh()
  const heartbeats = {
    code,
    changed: { listen: (listener: () => void) => (send = listener) },
    peers: { living: () => records },
  } as unknown as Heartbeats
  const assignment = new ShardAssignment({ node: self.name, heartbeats })
  send()
  const asked = code.ask()
  asked.answer({ nodes: [], profiles: asked.profilesOf.map((name) => profiles.get(name) ?? null) })
  await new Promise((resolve) => setImmediate(resolve))
  return assignment
}

const jobs = Array.from({ length: 500 }, (_, index) => jobNamed(`job ${index}`))

function jobNamed(name: string, tasks: readonly { readonly handler?: string }[] = [{ handler: 'work' }]) {
  const schedule = { toJSON: () => ({ type: 'none' }) }
  return {
    job: { id: jobId(name), name, tasks, schedule, owner: null, tags: [], description: null, overrides: {} },
  } as unknown as RegisteredJob
}

/** By job: the node of rank 0, if each of these nodes knows all others. */
async function firsts(members: readonly Member[]): Promise<string[]> {
  const all = await Promise.all(
    members.map(async (self) => ({
      self,
      assignment: await assignmentOf(
        self,
        members.filter((one) => one !== self),
      ),
    })),
  )
  return jobs.map((job) => {
    const first = all.filter(({ assignment }) => assignment.rankOf(job) === 0)
    expect(first).toHaveLength(1)
    return (first[0] as (typeof all)[number]).self.name
  })
}

const members = (count: number): Member[] => Array.from({ length: count }, (_, index) => ({ name: `node ${index}` }))

describe('the shard assignment', () => {
  it('a lone node has rank 0 for each job', async () => {
    const assignment = await assignmentOf({ name: 'a' }, [])
    expect([assignment.isAlone, assignment.commonRank]).toEqual([true, 0])
    expect(jobs.every((job) => assignment.rankOf(job) === 0)).toBe(true)
  })

  it('of nodes that know each other exactly one has rank 0 for each job, and each for about its share', async () => {
    const names = await firsts(members(8))
    for (const { name } of members(8)) {
      const share = names.filter((one) => one === name).length / jobs.length
      expect(share).toBeGreaterThan(0.04)
      expect(share).toBeLessThan(0.25)
    }
  })

  it('a node of a large fleet computes its rank without reading its code', async () => {
    let looks = 0
    const [self = { name: 'self' }, ...others] = members(8)
    const assignment = await assignmentOf(self, others, { onLook: () => looks++ })
    const own = jobs.filter((job) => assignment.rankOf(job) === 0)
    expect(own.length).toBeGreaterThan(20)
    looks = 0
    for (const job of own) assignment.rankOf(job)
    expect(looks).toBe(0)
  })

  it('a node that joins or leaves moves only its own jobs', async () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { minLength: 2, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(names, async ([comer, ...rest]) => {
        const before = await firsts(rest.map((name) => ({ name })))
        const after = await firsts([comer as string, ...rest].map((name) => ({ name })))
        for (const [index, name] of after.entries()) if (name !== comer) expect(before[index]).toBe(name)
      }),
      { numRuns: 20 },
    )
  })

  it('a node that lacks the code does not count, whatever its rank', async () => {
    const code = jobNamed('coded', [{}])
    const able: Member = { name: 'able', profile: codeWith([code], ['work']).profile }
    const lacking: Member[] = members(5)
    const assignment = await assignmentOf(able, lacking)
    expect(assignment.rankOf(code)).toBe(0)
    expect(jobs.some((job) => assignment.rankOf(job) > 0)).toBe(true)
  })

  it('a node has rank 0 for a job whose code it has not published yet', async () => {
    const assignment = await assignmentOf({ name: 'a' }, members(5))
    expect(assignment.rankOf(jobNamed('new here', [{}]))).toBe(0)
  })

  it('a starting node does not count', async () => {
    const others = members(5).map((member) => ({ ...member, counter: -7 }))
    const assignment = await assignmentOf({ name: 'a' }, others)
    expect(assignment.isAlone).toBe(true)
    expect(jobs.every((job) => assignment.rankOf(job) === 0)).toBe(true)
  })

  it('a node with unknown code precedes no other node', async () => {
    const assignment = await assignmentOf({ name: 'a' }, [{ name: 'b', profile: null }])
    expect(jobs.every((job) => assignment.rankOf(job) === 0)).toBe(true)
  })
})

describe('a profile', () => {
  const coded = jobNamed('coded', [{}, { handler: 'work' }])
  const data = jobNamed('data', [{ handler: 'work' }, { handler: 'other' }])
  const fingerprint = fingerprintOfJob(coded.job, {})

  it('contains the code of a node', () => {
    const capabilities = readNodeCapabilities(codeWith([coded], ['work', 'other']).profile)
    expect([capabilities.canRun(coded.job), capabilities.canRun(data.job)]).toEqual([true, true])
    const less = readNodeCapabilities(codeWith([jobNamed('another', [{}])], ['work']).profile)
    expect([less.canRun(coded.job), less.canRun(data.job)]).toEqual([false, false])
  })

  it('contains the definitions of a node, by job', () => {
    const { hasDefinition } = readNodeCapabilities(codeWith([coded, data]).profile)
    expect(hasDefinition(coded.job.id, fingerprint)).toBe(true)
    expect(hasDefinition(coded.job.id, 'another')).toBe(false)
    expect(hasDefinition(data.job.id, fingerprint)).toBe(false)
    expect(readNodeCapabilities(codeWith([]).profile).hasDefinition(coded.job.id, fingerprint)).toBe(false)
  })

  it('depends on the defaults of the scheduler, which are a part of its definitions', () => {
    const own = [coded.job]
    const of = (defaults: object) => codeOf({ jobs: own, definitions: own, handlers: [], defaults }).digest
    expect(of({ maxRescues: 1 })).not.toBe(of({}))
  })

  it('is the same for nodes of the same build, whatever the order', () => {
    const { profile, digest } = codeWith([coded, data], ['work', 'other'])
    expect(codeWith([data, coded], ['other', 'work'])).toMatchObject({ profile, digest })
    expect(codeWith([coded], ['work']).digest).not.toBe(codeWith([coded], ['work', 'other']).digest)
    expect(codeWith([coded]).digest).not.toBe(codeWith([jobNamed('coded', [{}])]).digest)
  })

  it('fits the limit of storages: it omits too much code, and too many definitions', () => {
    const many = Array.from({ length: 8001 }, (_, index) => jobNamed(`job ${index}`, [{}]))
    const most = codeWith(many.slice(1), ['x'.repeat(19_996)])
    expect(Buffer.byteLength(JSON.stringify(most.profile))).toBeLessThan(131_072)
    const tooMuch = codeWith(many)
    expect(tooMuch.profile).toBeNull()
    // Of itself it knows it all the same.
    expect(many.every(({ job }) => tooMuch.capabilities.canRun(job))).toBe(true)
    expect(tooMuch.capabilities.canRun(jobNamed('another', [{}]).job)).toBe(false)
    expect(codeWith([], ['\u{10ffff}'.repeat(5000)]).profile).toBeNull()
    const manyOfData = Array.from({ length: 8001 }, (_, index) => jobNamed(`job ${index}`, [{ handler: 'work' }]))
    const { profile, digest } = codeWith(manyOfData, ['work'])
    const { canRun, hasDefinition } = readNodeCapabilities(profile)
    // What is not known, it may have.
    expect([canRun(data.job), canRun(manyOfData[0]?.job as never)]).toEqual([false, true])
    expect(hasDefinition(coded.job.id, 'any')).toBe(true)
    // Its digest tells of all of them.
    expect(digest).not.toBe(codeWith([...manyOfData.slice(1), coded], ['work']).digest)
    expect(digest).toBe(codeWith(manyOfData.toReversed(), ['work']).digest)
  })

  it('each standby node of a job has its own rank, and the first node has none', async () => {
    const members: Member[] = ['a', 'b', 'c', 'd'].map((name) => ({ name }))
    // It has no code for these jobs.
    members.push({ name: 'e', profile: { handlers: [], jobs: '' } })
    const all = await Promise.all(
      members.map((self) =>
        assignmentOf(
          self,
          members.filter((one) => one !== self),
        ),
      ),
    )
    for (const job of jobs.slice(0, 50)) {
      const standing = all.slice(0, 4).filter((assignment) => assignment.rankOf(job) > 0)
      expect(standing.map((assignment) => assignment.watchRankOf(job)).sort()).toEqual([0, 1, 2])
    }
  })
})
