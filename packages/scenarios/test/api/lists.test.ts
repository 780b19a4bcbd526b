import { type Client, createClient, defineJob, type ListedOccurrence, silentLogger } from '@jobistemer/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everyStorage, everywhere, memory, type PlaceKind } from '../support/places.ts'
import { at, createWorld, secondsOf } from '../support/world.ts'
import { isThorough } from '../../../workspace/test-effort.ts'

/**
 * Starts a node with four jobs: one fails, one completes, one runs for 45 s, and one is not due. Makes a client on another
 * connection.
 */
async function scene(place: PlaceKind) {
  const world = createWorld(place)
  const job = (name: string, seconds: number, run: () => unknown) =>
    defineJob({ name, schedule: everySeconds(seconds), tasks: [{ name: 'work', run }], failureStrategy: 'continue' })
  const fails = () => {
    throw new Error('no paper')
  }
  const node = await world.start({
    jobs: [
      job('bad', 20, fails),
      job('good', 10, () => 1),
      job('long', 30, () => world.clock.sleep(45_000)),
      job('rare', 10_000, () => 1),
    ],
  })
  await world.clock.advance({ seconds: 65 })
  const intercepted = new InterceptedStorage(world.connect())
  const client = createClient({ storage: intercepted.storage, clock: world.clock, scheduleTypes: [everyType] })
  return { world, node, client, intercepted }
}

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of list) items.push(item)
  return items
}

const named = (items: readonly ListedOccurrence[]) =>
  items.map(({ job, scheduledAt }) => `${job} ${secondsOf(scheduledAt)}`)

it('a client lists 1,100 jobs by name in 11 pages, each from 3 calls of `listJobs` to the storage', async () => {
  const world = createWorld(memory)
  const intercepted = new InterceptedStorage(world.connect())
  const client = createClient({ storage: intercepted.storage, clock: world.clock, logger: silentLogger })
  onTestFinished(() => client.close())
  const names = Array.from({ length: 1100 }, (_, index) => `job ${(index * 37) % 1100}`)
  await client.add(names.map((name) => defineJob({ name, tasks: [{ name: 'work', handler: 'none' }] })))
  intercepted.reset()
  const listed = await all(client.jobs({ limit: 100 }))
  expect(listed.map(({ name }) => name)).toEqual([...names].sort())
  expect(intercepted.calls.filter(({ operation }) => operation === 'listJobs')).toHaveLength(11 * 3)
})

it('a list of 700 jobs in pages includes a job that was added before the list reads this job’s page', async () => {
  const world = createWorld(memory)
  const client = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
  onTestFinished(() => client.close())
  const tasks = [{ name: 'work', handler: 'none' }]
  await client.add(Array.from({ length: 700 }, (_, index) => defineJob({ name: `job ${index}`, tasks })))
  const { items, cursor } = await client.jobs({ limit: 100 })
  await client.add(defineJob({ name: 'last', tasks }))
  const rest = await all(client.jobs({ limit: 100, cursor }))
  const names = [...items, ...rest].map(({ name }) => name)
  expect(names).toHaveLength(701)
  expect(names.at(-1)).toBe('last')
})

describe.each(everyStorage)('on the storage $name', (place) => {
  it('`jobs` lists jobs in the order of their names, over several pages and with filters', async () => {
    const world = createWorld(place)
    const client = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
    const tasks = [{ name: 'work', handler: 'none' }]
    const names = ['b', 'a', 'ä', 'B', 'job 10', 'job 2', 'zebra', 'c']
    await client.add(names.map((name) => defineJob({ name, tasks, ...(name !== 'B' && { tags: ['eu'] }) })))
    const sorted = [...names].sort()
    const namesOf = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name)
    expect(namesOf((await client.jobs()).items)).toEqual(sorted)
    expect(namesOf(await all(client.jobs({ limit: 3 })))).toEqual(sorted)
    expect(namesOf(await all(client.jobs({ limit: 2, tag: 'eu' })))).toEqual(sorted.filter((name) => name !== 'B'))
    const { cursor } = await client.jobs({ limit: 3 })
    await client.add(defineJob({ name: 'between', tasks }))
    const rest = [...sorted, 'between'].sort().filter((name) => name > 'a')
    expect(namesOf((await client.jobs({ cursor })).items)).toEqual(
      rest.filter((name) => !sorted.slice(0, 3).includes(name)),
    )
    await client.remove(sorted[2] as string)
    expect(namesOf((await client.jobs({ limit: 3, cursor })).items)).toEqual(['between', 'c', 'job 10'])
    await client.close()
  })

  it('a dry run of `prune` returns the number of occurrences that `prune` removes', async () => {
    const { world, client, node } = await scene(place)
    await world.clock.advance({ minutes: 10 })
    const prunings = [
      { olderThan: { seconds: 400 }, keep: 50 },
      { olderThan: { seconds: 300 }, keep: 0, job: 'good' },
      { olderThan: { seconds: 100 }, keep: 0 },
    ]
    for (const pruning of prunings) {
      const counted = await client.prune({ ...pruning, dryRun: true })
      expect(counted).toBeGreaterThan(10)
      expect(await client.prune({ ...pruning, dryRun: true })).toBe(counted)
      expect(await node.prune(pruning)).toBe(counted)
    }
    expect(await client.prune({ olderThan: 0, job: 'none at all', dryRun: true })).toBe(0)
  })

  it('`failures` lists the failures of all jobs, newest first, with the names of the jobs', async () => {
    const { world, client } = await scene(place)
    await world.clock.advance({ seconds: 1 })
    const first = await client.failures({ limit: 2 })
    expect(named(first.items)).toEqual(['bad 60', 'bad 40'])
    expect(first.items[0]).toMatchObject({ state: 'completed_with_errors', job: 'bad' })
    expect(first.items[0]?.tasks[0]?.attempts[0]?.error?.message).toBe('no paper')
    const rest = await client.failures({ limit: 2, cursor: first.cursor })
    expect([named(rest.items), rest.cursor]).toEqual([['bad 20'], null])
    expect(named(await all(client.failures({ limit: 1 })))).toEqual(['bad 60', 'bad 40', 'bad 20'])
    expect(named(await all(client.failures({ limit: 1, cursor: first.cursor })))).toEqual(['bad 20'])
    expect(named((await client.failures({ order: 'ascending', from: at(40), to: at(60) })).items)).toEqual(['bad 40'])
    expect((await client.failures({ job: 'good' })).items).toEqual([])
    expect((await client.failures({ job: 'bad', tasks: false })).items.map(({ tasks }) => tasks)).toEqual([[], [], []])
  })

  it('`jobs` can include the last run and the numbers of live occurrences, and can filter by the last outcome', async () => {
    const { client } = await scene(place)
    const { items } = await client.jobs({ include: ['lastRun', 'counts'] })
    const told = items.map(({ name, lastRun, counts }) => [name, lastRun?.state ?? null, counts?.running])
    expect(told.sort()).toEqual([
      ['bad', 'completed_with_errors', 0],
      ['good', 'completed', 0],
      // The job `long` still runs its slot at 30 s, and its slot at 60 s was skipped.
      ['long', null, 1],
      ['rare', null, 0],
    ])
    expect((await client.jobs()).items[0]).not.toHaveProperty('lastRun')
    const failed = await client.jobs({ lastOutcome: ['failed', 'completed_with_errors'] })
    expect(failed.items.map(({ name, lastRun }) => [name, lastRun?.scheduledAt])).toEqual([['bad', at(60)]])
    expect((await client.jobs({ lastOutcome: 'completed' })).items.map(({ name }) => name)).toEqual(['good'])
    expect(await client.job('long')).toMatchObject({ lastRun: null, counts: { pending: 0, queued: 0, running: 1 } })
  })

  it('`live` lists running occurrences with their job and node, and waiting occurrences by state', async () => {
    const { node, client } = await scene(place)
    await node.pause('good')
    await client.trigger('good')
    expect(named((await client.live()).items)).toEqual(['long 30'])
    expect(named(await all(client.live({ node: node.nodeId })))).toEqual(['long 30'])
    expect((await client.live({ node: 'another' })).items).toEqual([])
    expect(named((await client.live({ state: 'pending' })).items)).toEqual(['good 65'])
    expect((await client.live({ state: 'queued' })).items).toEqual([])
  })

  it('a list continues from a cursor, and reads no further page after the caller leaves the iteration', async () => {
    const { client, intercepted } = await scene(place)
    const { items, cursor } = await client.occurrences({ job: 'good', limit: 4 })
    expect(named(items)).toEqual(['good 10', 'good 20', 'good 30', 'good 40'])
    expect(named((await client.occurrences({ job: 'good', cursor })).items)).toEqual(['good 50', 'good 60'])
    expect((await all(client.jobs({ limit: 1 }))).map(({ name }) => name).sort()).toEqual([
      'bad',
      'good',
      'long',
      'rare',
    ])
    intercepted.reset()
    for await (const { scheduledAt } of client.occurrences({ job: 'good', limit: 2 })) {
      if (secondsOf(scheduledAt) === 30) break
    }
    expect(intercepted.count('listOccurrences')).toBe(2)
  })

  it('a list rejects a cursor that is forged, truncated, of another list, or of the same list with another filter', async () => {
    const { client } = await scene(place)
    const { cursor } = await client.occurrences({ job: 'good', limit: 1 })
    if (cursor === null) throw new Error('There is no second page.')
    const forged = [
      (one: Client) => one.occurrences({ job: 'bad', cursor }),
      (one: Client) => one.occurrences({ job: 'good', order: 'descending', cursor }),
      (one: Client) => one.failures({ cursor }),
      (one: Client) => one.live({ cursor }),
      (one: Client) => one.jobs({ cursor }),
      (one: Client) => one.occurrences({ job: 'good', cursor: cursor.slice(0, -1) }),
      (one: Client) => one.occurrences({ job: 'good', cursor: '99 occ_1' }),
      (one: Client) => one.occurrences({ job: 'good', cursor: '' }),
      (one: Client) => one.occurrences({ job: 'good', cursor: 5 as never }),
    ]
    for (const call of forged) {
      await expect(call(client)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'filter.cursor' })
    }
    expect((await client.occurrences({ job: 'good', limit: 3, tasks: false, cursor })).items).toHaveLength(3)
    const wrongNode = client.live({ state: 'queued', node: 'a' })
    await expect(wrongNode).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'filter.node' })
  })
})

describe.each(everywhere)('among many jobs on the storage $name', (place) => {
  it('`jobs` with a filter finds each of 68 matching jobs among 1,200 once, with every page size', async () => {
    const world = createWorld(place)
    const intercepted = new InterceptedStorage(world.connect())
    const client = createClient({ storage: intercepted.storage, clock: world.clock })
    const count = 1200
    const isOdd = (index: number): boolean => index % 40 === 0 || (index > 500 && index < 540)
    const tasks = [{ name: 'work', handler: 'none' }]
    const names = Array.from({ length: count }, (_, index) => `${isOdd(index) ? 'odd' : 'usual'} ${index}`)
    await client.add(names.map((name) => defineJob({ name, tasks, tags: name.startsWith('odd') ? ['odd'] : [] })))
    const odd = names.filter((name) => name.startsWith('odd'))
    expect(odd).toHaveLength(68)
    for (const filter of [{ text: 'ODD' }, { tag: 'odd' }] as const) {
      for (const limit of isThorough || 'text' in filter ? [1, 10, 33, 10_000] : [33]) {
        const found: string[] = []
        let cursor: string | null = null
        do {
          const page: Awaited<ReturnType<Client['jobs']>> = await client.jobs({ ...filter, limit, cursor })
          expect(page.items.length).toBeLessThanOrEqual(limit)
          found.push(...page.items.map(({ name }) => name))
          cursor = page.cursor
        } while (cursor !== null)
        expect(found.toSorted()).toEqual(odd.toSorted())
      }
    }
    intercepted.reset()
    expect((await client.jobs({ text: 'nothing', limit: 10 })).items).toEqual([])
    // If a client finds no match, it calls `listJobs` for 10 jobs, then for 40, 160 and 500. A storage may return fewer jobs in
    // a call, so the client may need more calls.
    expect(intercepted.count('listJobs')).toBeLessThan(20)
  })
})

it('a list of 9,990 jobs keeps the order of names after 20 more jobs were added, and a new list of over 10,000 jobs has the order of the storage', async () => {
  const world = createWorld()
  const client = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
  onTestFinished(() => client.close())
  const tasks = [{ name: 'work', handler: 'none' }]
  const names = Array.from({ length: 10_010 }, (_, index) => `job ${index}`)
  const add = (some: readonly string[]) => client.add(some.map((name) => defineJob({ name, tasks })))
  await add(names.slice(20))
  const { items, cursor } = await client.jobs({ limit: 3000 })
  const last = items.at(-1)?.name ?? ''
  await add(names.slice(0, 20))
  const rest = (await all(client.jobs({ limit: 3000, cursor }))).map(({ name }) => name)
  expect(rest).toEqual(names.filter((name) => name > last).sort())
  const later = createClient({ storage: world.connect(), clock: world.clock, logger: silentLogger })
  onTestFinished(() => later.close())
  const listed = (await all(later.jobs({ limit: 3000 }))).map(({ name }) => name)
  expect(listed.slice().sort()).toEqual(names.slice().sort())
  expect(listed).not.toEqual(names.slice().sort())
})
