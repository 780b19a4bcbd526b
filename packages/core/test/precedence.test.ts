import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { digestOf, profileOf, readAbilities } from '../src/engine/nodes/abilities.ts'
import type { Heartbeats } from '../src/engine/nodes/heartbeats.ts'
import { Precedence } from '../src/engine/nodes/precedence.ts'
import type { RegisteredJob } from '../src/engine/jobs/registered-job.ts'
import { jobId } from '../src/ids.ts'
import type { NodeProfile, NodeRecord } from '../src/storage/node-record.ts'

type Member = { readonly name: string; readonly profile?: NodeProfile | null }

const plain: NodeProfile = { handlers: ['work'], jobs: '' }

function codeOf({ name, profile = plain }: Member): string {
  return digestOf(profile, name)
}

/** What the node of this name thinks of who goes first, when these live beside it. */
async function precedenceOf(self: Member, others: readonly Member[]): Promise<Precedence> {
  let send = () => {}
  const records = others.map(
    (member): NodeRecord => ({
      node: member.name,
      incarnation: member.name,
      counter: 1,
      startedAt: 0,
      leaving: false,
      about: { code: codeOf(member) },
    }),
  )
  const profiles = new Map(others.map(({ name, profile = plain }) => [name, profile]))
  const heartbeats = {
    code: codeOf(self),
    changed: { listen: (listener: () => void) => (send = listener) },
    peers: { living: () => records },
    profileOf: async (name: string) => profiles.get(name) ?? null,
  } as unknown as Heartbeats
  const precedence = new Precedence({ node: self.name, heartbeats })
  send()
  await new Promise((resolve) => setImmediate(resolve))
  return precedence
}

const jobs = Array.from({ length: 500 }, (_, index) => jobNamed(`job ${index}`))

function jobNamed(name: string, tasks: readonly { readonly handler?: string }[] = [{ handler: 'work' }]) {
  return { job: { id: jobId(name), name, tasks } } as unknown as RegisteredJob
}

/** By job: who goes first, when each of these nodes knows all others. */
async function firsts(members: readonly Member[]): Promise<string[]> {
  const all = await Promise.all(
    members.map(async (self) => ({
      self,
      precedence: await precedenceOf(
        self,
        members.filter((one) => one !== self),
      ),
    })),
  )
  return jobs.map((job) => {
    const first = all.filter(({ precedence }) => precedence.rankOf(job) === 0)
    expect(first).toHaveLength(1)
    return (first[0] as (typeof all)[number]).self.name
  })
}

const members = (count: number): Member[] => Array.from({ length: count }, (_, index) => ({ name: `node ${index}` }))

describe('who goes first', () => {
  it('a node that is alone does, everywhere', async () => {
    const precedence = await precedenceOf({ name: 'a' }, [])
    expect([precedence.isAlone, precedence.commonRank]).toEqual([true, 0])
    expect(jobs.every((job) => precedence.rankOf(job) === 0)).toBe(true)
  })

  it('of nodes that know each other exactly one does for each job, and each for about its share', async () => {
    const names = await firsts(members(8))
    for (const { name } of members(8)) {
      const share = names.filter((one) => one === name).length / jobs.length
      expect(share).toBeGreaterThan(0.04)
      expect(share).toBeLessThan(0.25)
    }
  })

  it('whoever comes or goes moves only what it gets or had', async () => {
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

  it('a node that lacks the code does not count, whatever its place', async () => {
    const code = jobNamed('coded', [{}])
    const able: Member = { name: 'able', profile: profileOf([code.job], ['work']) }
    const lacking: Member[] = members(5)
    const precedence = await precedenceOf(able, lacking)
    expect(precedence.rankOf(code)).toBe(0)
    expect(jobs.some((job) => precedence.rankOf(job) > 0)).toBe(true)
  })

  it('a node whose code nobody knows yet goes before nobody', async () => {
    const precedence = await precedenceOf({ name: 'a' }, [{ name: 'b', profile: null }])
    expect(jobs.every((job) => precedence.rankOf(job) === 0)).toBe(true)
  })
})

describe('a profile', () => {
  const coded = jobNamed('coded', [{}, { handler: 'work' }]).job
  const data = jobNamed('data', [{ handler: 'work' }, { handler: 'other' }]).job

  it('says what a node has code for', () => {
    const abilities = readAbilities(profileOf([coded], ['work', 'other']))
    expect([abilities.canRun(coded), abilities.canRun(data)]).toEqual([true, true])
    const less = readAbilities(profileOf([jobNamed('another', [{}]).job], ['work']))
    expect([less.canRun(coded), less.canRun(data)]).toEqual([false, false])
  })

  it('is the same for nodes of the same code, whatever the order, and does not name jobs that are data', () => {
    const first = profileOf([coded, data], ['work', 'other'])
    const second = profileOf([coded], ['other', 'work'])
    expect(first).toEqual(second)
    expect(digestOf(first, 'x')).toBe(digestOf(second, 'y'))
  })

  it('is left out when there is too much to say: then the node is one of its own', () => {
    const many = Array.from({ length: 8001 }, (_, index) => jobNamed(`job ${index}`, [{}]).job)
    expect(profileOf(many, [])).toBeNull()
    expect(JSON.stringify(profileOf(many.slice(1), [])).length).toBeLessThan(131_072)
    expect(profileOf([], ['x'.repeat(30_001)])).toBeNull()
    expect(digestOf(null, 'x')).not.toBe(digestOf(null, 'y'))
  })
})
