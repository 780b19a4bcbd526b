import { wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it } from 'vitest'
import { type CaseDepth, type StorageConformanceOptions, storageCases, storageConformance } from '../src/index.ts'

interface Registered {
  readonly suites: string[]
  readonly tests: Map<string, () => Promise<void>>
  readonly skipped: string[]
  readonly timeouts: (number | undefined)[]
}

/** Registers the kit's cases with a test runner that only records its calls. */
function register(options: Partial<StorageConformanceOptions> = {}): Registered {
  const registered: Registered = { suites: [], tests: new Map(), skipped: [], timeouts: [] }
  const test = (name: string, body: () => Promise<void>, timeoutMs?: number): void => {
    registered.tests.set(name, body)
    registered.timeouts.push(timeoutMs)
  }
  const skip = (name: string): void => void registered.skipped.push(name)
  storageConformance({
    describe: (name, body) => {
      registered.suites.push(name)
      body()
    },
    it: Object.assign(test, { skip }),
    name: 'mine',
    capabilities: { subscribe: true },
    open() {
      const database = memoryDatabase()
      return { connect: async () => memoryStorage({ database }), dispose: async () => {} }
    },
    ...options,
  })
  return registered
}

const some = 'wake: only one is woken at a time'

describe('storageConformance', () => {
  it('registers one suite with the cases that the declared capabilities require', () => {
    const { suites, tests, timeouts } = register()
    expect(suites).toEqual(['mine: storage conformance'])
    expect([...tests.keys()]).toEqual(storageCases({ subscribe: true }).map(({ name }) => name))
    expect(timeouts.every((timeout) => timeout !== undefined && timeout >= 30_000)).toBe(true)
  })

  it('registers tests that pass for a correct storage and fail for a faulty storage', async () => {
    await register().tests.get(some)?.()
    const broken = register({
      open: () => ({
        connect: async () => ({ ...memoryStorage(), settle: async () => [], close: async () => {} }) as never,
        dispose: async () => {},
      }),
    })
    await expect(broken.tests.get(some)?.()).rejects.toThrow()
  })

  it('registers only cases up to the given depth', () => {
    const count = (depth: CaseDepth) => register({ depth }).tests.size
    const all = storageCases({ subscribe: true })
    const upTo = (...depths: CaseDepth[]) => all.filter(({ depth }) => depths.includes(depth)).length
    expect(count('cases')).toBe(upTo('cases'))
    expect(count('races')).toBe(upTo('cases', 'races'))
    expect(count('model')).toBe(upTo('cases', 'races', 'model'))
    expect(count('soak')).toBe(all.length)
  })

  it.each<[field: string, options: object]>([
    ['depth', { depth: 'case' }],
    ['skips', { skips: [] }],
    ['Depth', { Depth: 'cases' }],
    ['capabilities', { capabilities: [] }],
    ['capabilities.multiprocess', { capabilities: { multiprocess: true } }],
    ['capabilities.subscribe', { capabilities: { subscribe: 'yes' } }],
    ['capabilities.durability', { capabilities: { durability: true } }],
    ['seeds', { seeds: [] }],
    ['seeds', { seeds: 7 }],
    ['seeds', { seeds: ['a'] }],
    ['seeds', { seeds: [1, 1.5] }],
    ['scale', { scale: Number.NaN }],
    ['scale', { scale: Number.POSITIVE_INFINITY }],
    ['scale', { scale: 0 }],
    ['scale', { scale: '10' }],
  ])('throws an error that names the invalid option %s: %o', (field, options) => {
    expect(() => register(options)).toThrow(expect.objectContaining({ field, remedy: expect.stringMatching(/.\.$/) }))
  })

  it.each([undefined, 'database', { connect: async () => memoryStorage() }, { dispose: async () => {} }])(
    'registers tests that fail with an error about the option `open` if the function `open` returns %j',
    async (world) => {
      const { tests } = register({ open: () => world as never })
      await expect(tests.get(some)?.()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'open' })
    },
  )

  it('marks a skipped case with its reason, and does not run it', () => {
    const { tests, skipped } = register({ skip: [{ test: some, reason: 'under repair' }] })
    expect(tests.has(some)).toBe(false)
    expect(skipped).toEqual([`${some} (under repair)`])
  })

  it.each([
    ['matches no case', [{ test: 'wake: never', reason: 'x' }]],
    ['gives no reason', [{ test: some, reason: ' ' }]],
    [
      'is listed twice',
      [
        { test: some, reason: 'x' },
        { test: some, reason: 'y' },
      ],
    ],
  ])('registers a failing test for an invalid entry of the option `skip`: an entry that %s', async (problem, skip) => {
    const { tests } = register({ skip })
    const failing = [...tests.entries()].filter(([name]) => name.includes(problem))
    expect(failing).toHaveLength(1)
    await expect(failing[0]?.[1]()).rejects.toThrow(problem)
  })

  it('registers a failing test for an entry of `skip` if the option `depth` omits its case', () => {
    const skip = [{ test: 'model: random calls are answered as by the memory storage (seed 1)', reason: 'x' }]
    expect([...register({ skip, depth: 'cases' }).tests.keys()].some((name) => name.includes('matches no case'))).toBe(
      true,
    )
  })

  it('closes every connection and disposes of every test database, even after a case that fails', async () => {
    let open = 0
    let worlds = 0
    const { tests } = register({
      open() {
        worlds += 1
        const database = memoryDatabase()
        return {
          async connect() {
            const storage = memoryStorage({ database })
            open += 1
            return wrapStorage(storage, {
              async close() {
                open -= 1
                await storage.close()
              },
              claim: async () => {
                throw new Error('out of order')
              },
            })
          },
          async dispose() {
            expect(open).toBe(0)
            worlds -= 1
          },
        }
      },
    })
    await expect(tests.get(some)?.()).rejects.toThrow('out of order')
    expect([open, worlds]).toEqual([0, 0])
  })
})

describe('storageCases', () => {
  it('returns cases with unique names, each of which begins with the name of its group', () => {
    const names = storageCases({ multiProcess: true, durability: 'power', serverTime: true, subscribe: true }).map(
      ({ name }) => name,
    )
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[\w ]+: .{8,}/)
  })

  it('omits cases for capabilities that a storage lacks', () => {
    const groups = (declared: Parameters<typeof storageCases>[0]) =>
      new Set(storageCases(declared).map(({ name }) => name.split(':')[0]))
    expect(groups({})).not.toContain('races of processes')
    expect(groups({ multiProcess: true })).toContain('races of processes')
    expect(groups({ multiProcess: true })).not.toContain('killed processes')
    expect(groups({ multiProcess: true, durability: 'process' })).toContain('killed processes')
    expect(groups({ serverTime: true })).toContain('serverTime')
    expect(groups({ durability: 'power' })).toContain('durability')
  })

  it('throws an error that names an unknown capability or an invalid option', () => {
    expect(() => storageCases({ takeNext: true } as never)).toThrow('takeNext')
    expect(() => storageCases({}, { seed: [1] } as never)).toThrow('seed')
    expect(() => storageCases({}, { seeds: [] })).toThrow('seeds')
  })

  it('contains a model case and a soak case for each seed', () => {
    const seeded = storageCases({}, { seeds: [7, 8] }).filter(({ name }) => name.includes('seed'))
    expect(seeded.map(({ name }) => name.replace(/.*\(/, '('))).toEqual([
      '(seed 7)',
      '(seed 8)',
      '(seed 7)',
      '(seed 8)',
    ])
  })
})
