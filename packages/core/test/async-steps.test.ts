import { describe, expect, it } from 'vitest'
import { JobistemerError } from '../src/errors.ts'
import { jobId } from '../src/ids.ts'
import type { CreateAnswer, CreateItem, LedgerStep, SettleItem } from '../src/storage/index.ts'
import { partialAnswers, StepTooLarge, storageFromLedger } from '../src/storage/index.ts'
import { AsyncData, AsyncFixture, type AsyncFixtureOptions } from './support/async-fixture.ts'
import { addressOf, createJobs, finish, owner, record, slot, statesOf } from './support/ledger-calls.ts'

function open(options: AsyncFixtureOptions) {
  const ledger = new AsyncFixture(options)
  return { ledger, storage: storageFromLedger(ledger) }
}

/** Forgets the steps, wake-ups and decisions that the ledger has recorded so far. */
function forgetSteps(ledger: AsyncFixture): void {
  ledger.steps.length = 0
  ledger.told.length = 0
  ledger.decisions = 0
  ledger.mostAtOnce = 0
}

function sizesOf(steps: readonly LedgerStep[]): readonly number[] {
  return steps.map(({ occurrences }) => occurrences.length)
}

describe.each(['call', 'job'] as const)('in an asynchronous ledger that runs one step for each %s, a step', (unit) => {
  it('returns the answers and the wake-ups of its last try if the ledger repeats the step', async () => {
    const data = new AsyncData()
    const { ledger, storage } = open({ unit, data })
    const { storage: rival } = open({ unit, data })
    const [job] = await createJobs(storage, ['alpha'], 'skip')
    if (job === undefined) throw new TypeError('no job')
    forgetSteps(ledger)
    ledger.beforeCommit = async () => {
      ledger.beforeCommit = null
      await rival.createOccurrences({ now: 100, owner: { node: 'rival', incarnation: 'r' }, items: [slot(job, 100)] })
    }
    const [answer] = await storage.createOccurrences({ now: 100, owner, items: [slot(job, 100)] })
    expect(answer).toMatchObject({ outcome: 'exists', state: 'pending', watermark: 100, nextAt: 200 })
    expect([ledger.steps.length, ledger.decisions]).toEqual([1, 2])
    // The ledger has repeated the step. The wake-up of the first try must not be sent, because the first try was not committed.
    expect(ledger.told).toEqual([])
  })

  it('reads its records again when the ledger repeats the step', async () => {
    const data = new AsyncData()
    const { ledger, storage } = open({ unit, data })
    const { storage: rival } = open({ unit, data })
    const [job] = await createJobs(storage, ['alpha'], 'queue')
    if (job === undefined) throw new TypeError('no job')
    await storage.createOccurrences({ now: 100, owner, items: [slot(job, 100, [])] })
    ledger.beforeCommit = async () => {
      ledger.beforeCommit = null
      await rival.createOccurrences({ now: 200, owner, items: [slot(job, 200)] })
    }
    const [answer] = await storage.settle({ now: 200, items: [finish(job, 100)] })
    expect(answer).toMatchObject({ outcome: 'ok', woken: addressOf(job, 200) })
  })

  it('processes the items of one job in the order of the request, and each answer has the position of its item', async () => {
    const { storage } = open({ unit, itemsPerStep: 1, concurrency: 2 })
    const [alpha, beta] = await createJobs(storage, ['alpha', 'beta'], 'queue')
    if (alpha === undefined || beta === undefined) throw new TypeError('no jobs')
    const items = [slot(alpha, 100, []), slot(beta, 100), slot(alpha, 200, []), slot(beta, 300), slot(alpha, 200)]
    const answers = await storage.createOccurrences({ now: 200, owner, items })
    expect(statesOf(answers)).toEqual(['running', 'pending', 'queued', 'off_schedule', 'exists'])
  })

  it('is not sent to the ledger for a request without items', async () => {
    const { ledger, storage } = open({ unit })
    expect(await storage.settle({ now: 0, items: [] })).toEqual([])
    expect(ledger.steps).toEqual([])
  })

  it('that is too large for one commit is halved until each part fits into a commit', async () => {
    const { ledger, storage } = open({ unit, maxWrites: 2 })
    const [job] = await createJobs(storage, ['alpha'], 'allow')
    if (job === undefined) throw new TypeError('no job')
    forgetSteps(ledger)
    const items = [100, 200, 300, 400, 500].map((at) => slot(job, at))
    const answers = await storage.createOccurrences({ now: 500, owner, items })
    expect(statesOf(answers)).toEqual(items.map(() => 'pending'))
    expect(sizesOf(ledger.steps)).toEqual([5, 3, 2, 1, 2])
    expect(ledger.steps.map(({ isDivisible }) => isDivisible)).toEqual([true, true, true, false, true])
  })

  it('rejects with the error that the commit of the ledger throws, and is not halved', async () => {
    const { ledger, storage } = open({ unit })
    const [job] = await createJobs(storage, ['alpha'], 'allow')
    if (job === undefined) throw new TypeError('no job')
    forgetSteps(ledger)
    ledger.beforeCommit = () => {
      throw new Error('the server has ended')
    }
    const items = [slot(job, 100), slot(job, 200)]
    await expect(storage.createOccurrences({ now: 200, owner, items })).rejects.toThrow('the server has ended')
    expect(ledger.steps).toHaveLength(1)
    ledger.beforeCommit = null
    expect(statesOf(await storage.createOccurrences({ now: 200, owner, items }))).toEqual(['pending', 'pending'])
  })

  it('with the deletion of a job lists an occurrence as canceled only if the ledger has stored this cancellation', async () => {
    const { ledger, storage } = open({ unit })
    const [job] = await createJobs(storage, ['alpha'], 'allow')
    if (job === undefined) throw new TypeError('no job')
    await storage.createOccurrences({ now: 200, owner, items: [slot(job, 100), slot(job, 200)] })
    ledger.beforeCommit = () => ledger.steps.at(-1)?.outlived(new Set([addressOf(job, 100).id]))
    const [answer] = await storage.saveJobs({ now: 300, changes: [{ kind: 'delete', id: job, expectedVersion: null }] })
    expect(answer).toMatchObject({ outcome: 'saved', canceled: [addressOf(job, 200)] })
  })
})

describe('a storage call on a ledger with one step for each call', () => {
  it('makes one step for all jobs, and the step reads each head once, in the order of the job ids', async () => {
    const { ledger, storage } = open({ unit: 'call' })
    const names = ['alpha', 'beta', 'gamma', 'delta']
    const jobs = await createJobs(storage, names, 'allow')
    const sorted = [...jobs].sort()
    expect(jobs).not.toEqual(sorted)
    expect(ledger.steps.map((step) => step.jobs)).toEqual([sorted])
    forgetSteps(ledger)
    const items = [...jobs, ...jobs].map((job, index) => slot(job, index < 4 ? 100 : 200))
    await storage.createOccurrences({ now: 200, owner, items })
    expect(ledger.steps.map((step) => step.jobs)).toEqual([sorted])
    expect(ledger.decisions).toBe(1)
  })
})

describe('a storage call on a job that another transaction holds', () => {
  it('changes the other jobs, tries the held job once, and its error has the answers', async () => {
    const { ledger, storage } = open({ unit: 'call' })
    const [held, free] = await createJobs(storage, ['held', 'free'], 'allow')
    if (held === undefined || free === undefined) throw new TypeError('no jobs')
    forgetSteps(ledger)
    const locked = new JobistemerError('STORAGE_BUSY', { message: 'Another transaction holds the job.' })
    partialAnswers.set(locked, [])
    ledger.beforeCommit = () => {
      const jobs = ledger.steps.at(-1)?.jobs ?? []
      if (jobs.includes(held)) throw jobs.length > 1 ? new StepTooLarge() : locked
    }
    const items = [100, 200, 300, 400].flatMap((at) => [slot(held, at), slot(free, at)])
    await expect(storage.createOccurrences({ now: 400, owner, items })).rejects.toBe(locked)
    const answers = partialAnswers.get(locked) as readonly (CreateAnswer | null)[]
    expect(answers.map((answer) => answer?.outcome ?? null)).toEqual(
      items.map(({ jobId }) => (jobId === held ? null : 'created')),
    )
    const alone = ledger.steps.filter(({ jobs }) => jobs.length === 1 && jobs.includes(held))
    // The answers of the free job must not wait for the held job.
    expect(alone.map(({ isOptional }) => isOptional)).toEqual([true])
    const [first] = items
    if (first === undefined) throw new TypeError('no items')
    await expect(storage.createOccurrences({ now: 400, owner, items: [first] })).rejects.toBe(locked)
    expect(ledger.steps.at(-1)).toMatchObject({ jobs: [held], isOptional: false })
    ledger.beforeCommit = () => {
      if ((ledger.steps.at(-1)?.jobs.length ?? 0) > 1) throw new StepTooLarge()
    }
    const changes = [held, free].map((id) => ({ kind: 'delete', id, expectedVersion: null }) as const)
    await storage.saveJobs({ now: 400, changes })
    // The engine does not repeat `saveJobs`, so its steps wait for a held job.
    expect(ledger.steps.slice(-2).map(({ isOptional }) => isOptional)).toEqual([false, false])
  })
})

describe('a storage call on a ledger with separate steps for each job', () => {
  it('is split into one or more steps for each job, and no step has more items than the ledger’s `itemsPerStep`', async () => {
    const { ledger, storage } = open({ unit: 'job', itemsPerStep: 2 })
    const [alpha, beta] = await createJobs(storage, ['alpha', 'beta'], 'allow')
    if (alpha === undefined || beta === undefined) throw new TypeError('no jobs')
    forgetSteps(ledger)
    const items = [100, 200, 300].map((at) => slot(alpha, at))
    await storage.createOccurrences({ now: 300, owner, items: [...items, slot(beta, 100)] })
    expect(ledger.steps.map((step) => [step.jobs, step.occurrences.length])).toEqual([
      [[alpha], 2],
      [[alpha], 1],
      [[beta], 1],
    ])
  })

  it.each([
    [undefined, 1],
    [2, 2],
    [9, 4],
  ])('with the option concurrency %s runs at most %s of its steps at once', async (concurrency, most) => {
    const { ledger, storage } = open({ unit: 'job', ...(concurrency === undefined ? {} : { concurrency }) })
    await createJobs(storage, ['alpha', 'beta', 'gamma', 'delta'], 'allow')
    expect(ledger.mostAtOnce).toBe(most)
  })

  it('rejects if one of its steps fails, but only after all started steps have ended', async () => {
    const { ledger, storage } = open({ unit: 'job', concurrency: 2 })
    let commits = 0
    ledger.beforeCommit = () => {
      commits += 1
      if (commits === 1) throw new Error('out of order')
    }
    await expect(createJobs(storage, ['alpha', 'beta', 'gamma', 'delta'], 'allow')).rejects.toThrow('out of order')
    const { items } = await storage.listJobs({ limit: 9, cursor: null })
    expect(items.map(({ name }) => name)).toEqual(['beta'])
  })
})

describe('the method quickSettle of an adapter', () => {
  it('is called for each item before the step, and the step settles only the items for which quickSettle returns null', async () => {
    const { ledger, storage } = open({ unit: 'job' })
    const [alpha, beta] = await createJobs(storage, ['alpha', 'beta'], 'allow')
    if (alpha === undefined || beta === undefined) throw new TypeError('no jobs')
    const started = [slot(alpha, 100, []), slot(alpha, 200, []), slot(beta, 100, [])]
    await storage.createOccurrences({ now: 200, owner, items: started })
    forgetSteps(ledger)
    const asked: number[] = []
    const quick = Object.assign(ledger, {
      async quickSettle({ jobId, scheduledAt }: { jobId: string; scheduledAt: number }) {
        asked.push(scheduledAt)
        return jobId === alpha && scheduledAt === 200
          ? ({ outcome: 'lost', state: 'completed', token: 9 } as const)
          : null
      },
    })
    const items = [finish(beta, 100), finish(alpha, 200), finish(alpha, 100)]
    const answers = await storageFromLedger(quick).settle({ now: 300, items })
    expect(answers.map(({ outcome }) => outcome)).toEqual(['ok', 'lost', 'ok'])
    expect(asked).toEqual([100, 200, 100])
    expect(ledger.steps.map(({ jobs }) => jobs)).toEqual([[beta], [alpha]])
  })
})

describe('the methods of an adapter that handle whole calls without a step', () => {
  it('receive each item whose job has no other item in the call; steps process the remaining items and each item that a method refuses', async () => {
    const { ledger, storage } = open({ unit: 'call' })
    const [alpha, beta, gamma] = await createJobs(storage, ['alpha', 'beta', 'gamma'], 'allow')
    if (alpha === undefined || beta === undefined || gamma === undefined) throw new TypeError('no jobs')
    forgetSteps(ledger)
    const asked: string[][] = []
    const created = { outcome: 'absent' } as const
    const lost = { outcome: 'lost', state: 'completed', token: 9 } as const
    const note = (items: readonly { readonly jobId: string }[]) => void asked.push(items.map(({ jobId }) => jobId))
    const quick = storageFromLedger(
      Object.assign(ledger, {
        async quickCreates(items: readonly CreateItem[]) {
          note(items)
          return items.map(({ jobId }) => (jobId === alpha ? created : null))
        },
        async quickSettles(items: readonly SettleItem[]) {
          note(items)
          return items.map(({ jobId }) => (jobId === alpha ? lost : null))
        },
      }),
    )
    const started = [slot(gamma, 100, []), slot(alpha, 100, []), slot(beta, 100, []), slot(gamma, 200, [])]
    const answers = await quick.createOccurrences({ now: 200, owner, items: started })
    expect(answers.map(({ outcome }) => outcome)).toEqual(['created', 'absent', 'created', 'created'])
    const ends = [finish(gamma, 100), finish(beta, 100), finish(alpha, 100), finish(gamma, 200)]
    const ended = await quick.settle({ now: 300, items: ends })
    expect(ended.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'lost', 'ok'])
    expect(asked).toEqual([
      [alpha, beta],
      [beta, alpha],
    ])
    const left = [beta, gamma].sort()
    expect(ledger.steps.map(({ jobs }) => jobs)).toEqual([left, left])
  })
})

describe('a claim that reads several pages', () => {
  const claim = { owner, exceptHandlerKeys: [], sweep: false }

  it('finds due occurrences on a later page if the jobs on earlier pages are paused or have an excluded handler key', async () => {
    const data = new AsyncData()
    const { ledger, storage } = open({ unit: 'job', data, pageSize: 2 })
    const [paused, other, free] = await createJobs(storage, ['paused', 'other', 'open'], 'allow')
    if (paused === undefined || other === undefined || free === undefined) throw new TypeError('no jobs')
    const early = [paused, other].flatMap((job) => [100, 200, 300].map((at) => slot(job, at)))
    await storage.createOccurrences({
      now: 400,
      owner,
      items: [...early, ...[100, 200, 300].map((at) => slot(free, at))],
    })
    data.apply([{ table: 'occurrences', key: addressOf(free, 900).id, value: record(free, 900) }])
    const pause = { at: 400, reason: null, actor: null }
    await storage.saveJobs({ now: 400, changes: [{ kind: 'pause', id: paused, paused: pause }] })
    forgetSteps(ledger)
    const answer = await storage.claim({ ...claim, now: 500, limit: 2, exceptHandlerKeys: ['other'] })
    expect(answer.claimed.map(({ jobId, scheduledAt }) => [jobId, scheduledAt])).toEqual([
      [free, 100],
      [free, 200],
    ])
    expect([answer.more, answer.nextDueAt]).toEqual([true, 900])
    const stepsOf = (job: string) => ledger.steps.filter(({ jobs }) => jobs.includes(job as `job_${string}`)).length
    // The claim may take no occurrence of the jobs `paused` and `other`, which have several due occurrences each. The claim
    // runs only one step for each of these jobs.
    expect([stepsOf(paused), stepsOf(other)]).toEqual([1, 1])
  })

  it.each([{}, { pageSize: 2 }])(
    'answers whether more occurrences are due than the claim took, with the page options %o',
    async (pages) => {
      const { storage } = open({ unit: 'job', ...pages })
      const [job] = await createJobs(storage, ['alpha'], 'allow')
      if (job === undefined) throw new TypeError('no job')
      await storage.createOccurrences({ now: 300, owner, items: [100, 200, 300].map((at) => slot(job, at)) })
      const none = await storage.claim({ ...claim, now: 300, limit: 0 })
      expect([none.claimed, none.more]).toEqual([[], true])
      const two = await storage.claim({ ...claim, now: 300, limit: 2 })
      expect([two.claimed.length, two.more]).toEqual([2, true])
      const last = await storage.claim({ ...claim, now: 300, limit: 2 })
      expect([last.claimed.length, last.more, last.nextDueAt]).toEqual([1, false, null])
    },
  )

  it('changes a pending occurrence to queued if another occurrence of its job is active, and continues with other jobs', async () => {
    const data = new AsyncData()
    const { storage } = open({ unit: 'job', data, pageSize: 1 })
    const [busy, free] = await createJobs(storage, ['busy', 'free'], 'queue')
    if (busy === undefined || free === undefined) throw new TypeError('no jobs')
    await storage.createOccurrences({ now: 200, owner, items: [slot(busy, 100, []), slot(free, 100), slot(busy, 200)] })
    const waiting = record(busy, 50)
    data.apply([{ table: 'occurrences', key: waiting.id, value: waiting }])
    const answer = await storage.claim({ ...claim, now: 300, limit: 1 })
    expect(answer.claimed.map(({ jobId }) => jobId)).toEqual([free])
    const { occurrences } = await storage.get({ occurrences: [waiting.id] })
    expect(occurrences[0]?.state).toBe('queued')
  })

  it('with the option `sweep` wakes the first queued occurrence of each job without an active occurrence', async () => {
    const data = new AsyncData()
    const { storage } = open({ unit: 'job', data })
    const [stranded, busy] = await createJobs(storage, ['stranded', 'busy'], 'queue')
    if (stranded === undefined || busy === undefined) throw new TypeError('no jobs')
    await storage.createOccurrences({ now: 200, owner, items: [slot(busy, 100, []), slot(busy, 200)] })
    const queued = [200, 100].map((at) => record(stranded, at, { state: 'queued' }))
    data.apply(queued.map((value) => ({ table: 'occurrences', key: value.id, value })))
    const before = await storage.claim({ ...claim, now: 300, limit: 9 })
    expect(before.claimed).toEqual([])
    const answer = await storage.claim({ ...claim, now: 300, limit: 9, sweep: true })
    expect(answer.claimed.map(({ jobId, scheduledAt }) => [jobId, scheduledAt])).toEqual([[stranded, 100]])
    const { counts } = await storage.get({ counts: [busy, jobId('stranded')] })
    expect(counts.map(({ queued: left }) => left)).toEqual([1, 1])
  })

  it('reports each running occurrence with a cancel request, even if this claim has just started the occurrence', async () => {
    const data = new AsyncData()
    const { ledger, storage } = open({ unit: 'job', data })
    const [job] = await createJobs(storage, ['alpha'], 'allow')
    if (job === undefined) throw new TypeError('no job')
    await storage.createOccurrences({
      now: 300,
      owner,
      items: [slot(job, 100), slot(job, 200, []), slot(job, 300, [])],
    })
    const cancelRequest = { at: 300, reason: 'holiday', actor: null }
    const asked = record(job, 100, { cancelRequest })
    data.apply([{ table: 'occurrences', key: asked.id, value: asked }])
    const item = { ...addressOf(job, 300), reason: 'operator', actor: null, mode: 'request' } as const
    await storage.cancel({ now: 300, items: [item] })
    // Read the list of cancel requests before the claim, as a slow storage may do. So the list lacks the request for the
    // occurrence that the claim takes.
    const found = await ledger.cancelRequested(owner)
    ledger.cancelRequested = async () => found
    const answer = await storage.claim({ ...claim, now: 300, limit: 9 })
    expect(answer.cancelRequested).toEqual([
      { ...addressOf(job, 100), token: 1, reason: 'holiday' },
      { ...addressOf(job, 300), token: 1, reason: 'operator' },
    ])
  })
})
