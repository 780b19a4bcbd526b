import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Heartbeats } from '../src/engine/cluster/heartbeats.ts'
import { codeOf, readNodeCapabilities } from '../src/engine/cluster/node-code.ts'
import { ShardAssignment } from '../src/engine/cluster/shard-assignment.ts'
import type { RegisteredJob } from '../src/engine/definitions/registered-job.ts'
import { jobId } from '../src/ids.ts'
import { fingerprintOfJob } from '../src/job/job-content.ts'
import type { NodeRecord } from '../src/storage/node-record.ts'
import { byEffort } from '../../workspace/test-effort.ts'

type Member = { readonly name: string; readonly code?: string; readonly counter?: number }

/** Returns the code profile of a node that has these jobs and handlers. */
function codeWith(jobs: readonly RegisteredJob[], handlers: readonly string[] = []) {
  const own = jobs.map(({ job }) => job)
  return codeOf({ jobs: own, definitions: own, handlers, defaults: {} })
}

/** Makes the shard assignment of the node `self`, whose living peers are `others`. */
function assignmentOf(self: Member, others: readonly Member[]): ShardAssignment {
  let send = () => {}
  const records = others.map(
    ({ name, code = 'build', counter = 1 }): NodeRecord => ({
      node: name,
      incarnation: name,
      counter,
      startedAt: 0,
      leaving: false,
      about: { code },
    }),
  )
  const heartbeats = {
    codeDigest: self.code ?? 'build',
    changed: { listen: (listener: () => void) => (send = listener) },
    peers: { living: () => records },
  } as unknown as Heartbeats
  const assignment = new ShardAssignment({ node: self.name, heartbeats })
  send()
  return assignment
}

const jobs = Array.from({ length: 500 }, (_, index) => jobNamed(`job ${index}`))

function jobNamed(name: string, tasks: readonly { readonly handler?: string }[] = [{ handler: 'work' }]) {
  const schedule = { toJSON: () => ({ type: 'none' }) }
  return {
    job: { id: jobId(name), name, tasks, schedule, owner: null, tags: [], description: null, settings: {} },
  } as unknown as RegisteredJob
}

/** Returns, for each job, the name of the node with rank 0. Each node has all other nodes as its living peers. */
function firsts(members: readonly Member[]): string[] {
  const all = members.map((self) => ({
    self,
    assignment: assignmentOf(
      self,
      members.filter((one) => one !== self),
    ),
  }))
  const found = jobs.map((job) =>
    all.filter(({ assignment }) => assignment.rankOf(job) === 0).map(({ self }) => self.name),
  )
  expect(found.filter((names) => names.length !== 1)).toEqual([])
  return found.flat()
}

const members = (count: number): Member[] => Array.from({ length: count }, (_, index) => ({ name: `node ${index}` }))

describe('the shard assignment', () => {
  it('gives rank 0 for each job to a node that has no peers', () => {
    const assignment = assignmentOf({ name: 'a' }, [])
    expect([assignment.isAlone, assignment.commonRank]).toEqual([true, 0])
    expect(jobs.every((job) => assignment.rankOf(job) === 0)).toBe(true)
  })

  it('gives rank 0 for each job to exactly one node, and distributes these ranks evenly over the nodes', () => {
    const names = firsts(members(8))
    for (const { name } of members(8)) {
      const share = names.filter((one) => one === name).length / jobs.length
      expect(share).toBeGreaterThan(0.04)
      expect(share).toBeLessThan(0.25)
    }
  })

  it('changes the assigned node only for jobs that move to a node that joins, or from a node that leaves', () => {
    const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { minLength: 2, maxLength: 6 })
    fc.assert(
      fc.property(names, ([comer, ...rest]) => {
        const before = firsts(rest.map((name) => ({ name })))
        const after = firsts([comer as string, ...rest].map((name) => ({ name })))
        expect(after.filter((name, index) => name !== comer && name !== before[index])).toEqual([])
      }),
      { numRuns: byEffort(20, 10) },
    )
  })

  it('ignores nodes whose code differs from the code of this node', () => {
    const others = members(5).map((member) => ({ ...member, code: 'another build' }))
    const alone = assignmentOf({ name: 'self' }, others)
    expect(alone.isAlone).toBe(true)
    expect(jobs.every((job) => alone.rankOf(job) === 0)).toBe(true)
    const mixed = [...members(3), ...others]
    const self: Member = { name: 'self' }
    const ranks = (beside: readonly Member[]) => jobs.map((job) => assignmentOf(self, beside).rankOf(job))
    expect(ranks(mixed)).toEqual(ranks(members(3)))
    expect(Math.max(...ranks(mixed))).toBe(3)
  })

  it('also gives each node a rank among the nodes of all code groups', () => {
    const all = [
      ...members(3),
      ...members(6)
        .slice(3)
        .map((member) => ({ ...member, code: 'another build' })),
    ]
    const ranks = all.map((self) =>
      assignmentOf(
        self,
        all.filter((one) => one !== self),
      ),
    )
    expect(ranks.map(({ commonRank }) => commonRank).sort()).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('ignores a node that is still starting', () => {
    const others = members(5).map((member) => ({ ...member, counter: -7 }))
    const assignment = assignmentOf({ name: 'a' }, others)
    expect(assignment.isAlone).toBe(true)
    expect(jobs.every((job) => assignment.rankOf(job) === 0)).toBe(true)
  })

  it('gives each watcher of a job its own watch rank, and none to the assigned node', () => {
    const members: Member[] = ['a', 'b', 'c', 'd'].map((name) => ({ name }))
    members.push({ name: 'e', code: 'another build' })
    const all = members.map((self) =>
      assignmentOf(
        self,
        members.filter((one) => one !== self),
      ),
    )
    for (const job of jobs.slice(0, 50)) {
      const standing = all.slice(0, 4).filter((assignment) => assignment.rankOf(job) > 0)
      expect(standing.map((assignment) => assignment.watchRankOf(job)).sort()).toEqual([0, 1, 2])
    }
  })
})

describe('the profile of a node', () => {
  const coded = jobNamed('coded', [{}, { handler: 'work' }])
  const data = jobNamed('data', [{ handler: 'work' }, { handler: 'other' }])
  const fingerprint = fingerprintOfJob(coded.job, {})

  it('says which jobs the node can run: the jobs of its code, and jobs that name handlers of its code', () => {
    const capabilities = readNodeCapabilities(codeWith([coded], ['work', 'other']).profile)
    expect([capabilities.canRun(coded.job), capabilities.canRun(data.job)]).toEqual([true, true])
    const less = readNodeCapabilities(codeWith([jobNamed('another', [{}])], ['work']).profile)
    expect([less.canRun(coded.job), less.canRun(data.job)]).toEqual([false, false])
  })

  it('contains the definitions of the node, by job', () => {
    const { hasDefinition } = readNodeCapabilities(codeWith([coded, data]).profile)
    expect(hasDefinition(coded.job.id, fingerprint)).toBe(true)
    expect(hasDefinition(coded.job.id, 'another')).toBe(false)
    expect(hasDefinition(data.job.id, fingerprint)).toBe(false)
    expect(readNodeCapabilities(codeWith([]).profile).hasDefinition(coded.job.id, fingerprint)).toBe(false)
  })

  it('differs if the scheduler’s default settings differ, because the definitions contain these settings', () => {
    const own = [coded.job]
    const of = (defaults: object) => codeOf({ jobs: own, definitions: own, handlers: [], defaults }).digest
    expect(of({ maxRescues: 1 })).not.toBe(of({}))
  })

  it('is the same for nodes of the same build, in whatever order they declare their jobs', () => {
    const { profile, digest } = codeWith([coded, data], ['work', 'other'])
    expect(codeWith([data, coded], ['other', 'work'])).toMatchObject({ profile, digest })
    expect(codeWith([coded], ['work']).digest).not.toBe(codeWith([coded], ['work', 'other']).digest)
    expect(codeWith([coded]).digest).not.toBe(codeWith([jobNamed('coded', [{}])]).digest)
  })

  it('omits code and definitions if they exceed the size limit of the storage', () => {
    const many = Array.from({ length: 20_000 }, (_, index) => jobNamed(`job ${index}`, [{}]))
    expect(codeWith(many.slice(0, 8000)).profile).toHaveProperty('definitions')
    const most = codeWith(many.slice(0, 12_000), ['x'.repeat(51_000)])
    expect(most.profile).not.toHaveProperty('definitions')
    expect(Buffer.byteLength(JSON.stringify(most.profile))).toBeLessThanOrEqual(131_072)
    const tooMuch = codeWith(many)
    expect(tooMuch.profile).toBeNull()
    expect(tooMuch.digest).not.toBe(codeWith(many.slice(2)).digest)
    expect(codeWith([], ['\u{10ffff}'.repeat(32_768)]).profile).toBeNull()
    const manyOfData = Array.from({ length: 20_000 }, (_, index) => jobNamed(`job ${index}`, [{ handler: 'work' }]))
    const { profile, digest } = codeWith(manyOfData, ['work'])
    const { canRun, hasDefinition } = readNodeCapabilities(profile)
    // If a profile omits its definitions, peers assume that its node has every definition.
    expect([canRun(data.job), canRun(manyOfData[0]?.job as never)]).toEqual([false, true])
    expect(hasDefinition(coded.job.id, 'any')).toBe(true)
    // The digest covers all definitions, although the profile omits them.
    expect(digest).not.toBe(codeWith([...manyOfData.slice(1), coded], ['work']).digest)
    expect(digest).toBe(codeWith(manyOfData.toReversed(), ['work']).digest)
  })
})
