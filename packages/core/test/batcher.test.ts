import { describe, expect, it } from 'vitest'
import { Agenda, type SlotEntry } from '../src/engine/runtime/agenda.ts'
import type { EngineContext } from '../src/engine/storage-access/engine-context.ts'
import { Batcher, CallerBatcher, ItemRefused } from '../src/engine/storage-access/batcher.ts'
import { EngineStopped } from '../src/engine/runtime/background-loop.ts'
import { type Asked, RetryingStorage } from '../src/engine/storage-access/retrying-storage.ts'
import { JobistemerError } from '../src/errors.ts'
import { EventHub } from '../src/events.ts'
import { silentLogger } from '../src/logger.ts'
import { partialAnswers } from '../src/storage/adapter-errors.ts'
import type { Storage } from '../src/storage/storage.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'

/** A caller that waits for its answer until the test calls `giveUp`. */
class Caller implements Asked {
  refusal: JobistemerError | null = null

  giveUp(): void {
    this.refusal = new JobistemerError('ABORTED', { message: 'No.' })
  }

  assertWanted(): void {
    if (this.refusal !== null) throw this.refusal
  }

  failed(): void {}
}

function world({ maxBatch = 1000 } = {}) {
  // Leave out the member `track`. With it, the virtual clock would wait for storage calls, which the test ends itself.
  const { track: _, ...clock } = virtualClock('2026-01-01T00:00:00Z')
  const agenda = new Agenda<SlotEntry>({ clock, wallNow: () => clock.now(), onSlotsDue() {} })
  agenda.start()
  const empty = { listJobs: async () => ({ items: [], cursor: null }) } as unknown as Storage
  const events = new EventHub(silentLogger)
  const storage = new RetryingStorage(empty, { clock, agenda, events, logger: silentLogger })
  const fail = (_where: string, error: unknown): never => {
    throw error
  }
  const calls: string[][] = []
  const held: (() => void)[] = []
  const storageOf = {
    holds: false,
    unreadable: false,
    fails: (_items: readonly string[]): boolean => false,
    refuses: (_items: readonly string[]): boolean => false,
    isLocked: (_item: string): boolean => false,
  }
  const gathered = new CallerBatcher<string, string>(
    { clock, fail, maxBatch, now: () => clock.now(), storage } as unknown as EngineContext,
    {
      operation: 'createOccurrences',
      async send(_storage, items) {
        calls.push([...items])
        if (storageOf.holds) await new Promise<void>((resolve) => held.push(resolve))
        if (storageOf.unreadable) throw new JobistemerError('STORAGE_UNREADABLE', { message: 'No rights.' })
        if (storageOf.fails(items)) throw new RangeError('no')
        if (storageOf.refuses(items)) throw new JobistemerError('STORAGE_REFUSED', { message: 'Not this one.' })
        const answers = items.map((item) => (storageOf.isLocked(item) ? null : `${item} done`))
        if (!answers.includes(null)) return answers as string[]
        const error = new JobistemerError('STORAGE_BUSY', { message: 'Another transaction holds a job.' })
        partialAnswers.set(error, answers)
        throw error
      },
    },
  )
  const ask = (name: string, caller: Asked = new Caller()) => gathered.send(caller, () => name)
  const answerAll = async () => {
    for (const answer of held.splice(0)) answer()
    await turns()
  }
  return { clock, storage, agenda, fail, gathered, calls, storageOf, ask, answerAll }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `item ${index}`)

describe('a batched request', () => {
  it('is sent at once if no call is in progress, and otherwise together with other waiting requests', async () => {
    const { ask, calls, storageOf, answerAll } = world()
    storageOf.holds = true
    const answers = [ask('first')]
    await turns()
    expect(calls).toEqual([['first']])
    answers.push(ask('second'))
    await turns()
    answers.push(ask('third'))
    await turns()
    expect(calls).toHaveLength(1)
    await answerAll()
    expect(calls).toEqual([['first'], ['second', 'third']])
    await answerAll()
    expect(await Promise.all(answers)).toEqual(['first done', 'second done', 'third done'])
  })

  it('is sent as soon as a batch is full and fewer than four calls are in progress', async () => {
    const { ask, calls, storageOf, answerAll } = world({ maxBatch: 10 })
    storageOf.holds = true
    const answers = names(65).map((name) => ask(name))
    await turns()
    expect(calls.map(({ length }) => length)).toEqual([10, 10, 10, 10])
    storageOf.holds = false
    await answerAll()
    expect(calls.map(({ length }) => length)).toEqual([10, 10, 10, 10, 10, 10, 5])
    expect(await Promise.all(answers)).toHaveLength(65)
  })

  it('learns the error of its call, although the call is retried because it carries an item of the engine', async () => {
    const { ask, storage, storageOf, clock } = world()
    storage.isAtWork = true
    storageOf.unreadable = true
    const failures: unknown[] = []
    const caller = Object.assign(new Caller(), { failed: (error: unknown) => void failures.push(error) })
    const answers = [ask('first', caller), ask('second', Object.assign(new Caller(), { isEngine: true }))]
    await turns()
    expect(failures).toMatchObject([{ code: 'STORAGE_UNREADABLE' }])
    storageOf.unreadable = false
    await clock.advance({ seconds: 1 })
    expect(await Promise.all(answers)).toEqual(['first done', 'second done'])
  })

  it('is not sent if its caller gives up before the call', async () => {
    const { ask, calls, storageOf, answerAll } = world()
    storageOf.holds = true
    const first = ask('first')
    await turns()
    const caller = new Caller()
    const second = ask('second', caller).catch((error) => error)
    const third = ask('third')
    caller.giveUp()
    storageOf.holds = false
    await answerAll()
    expect(calls).toEqual([['first'], ['third']])
    expect(await second).toBe(caller.refusal)
    expect(await Promise.all([first, third])).toEqual(['first done', 'third done'])
  })

  it('is repeated after a failed call, without the requests whose callers have given up', async () => {
    const { ask, calls, clock, storageOf } = world()
    let isAway = true
    storageOf.fails = () => isAway
    const caller = new Caller()
    const first = ask('first', caller).catch((error) => error)
    const second = ask('second')
    await turns()
    caller.giveUp()
    isAway = false
    await clock.advance(100)
    expect(calls).toEqual([['first', 'second'], ['second']])
    expect(await first).toBe(caller.refusal)
    expect(await second).toBe('second done')
  })

  it('is not repeated once the callers of all requests of its batch have given up', async () => {
    const { ask, calls, clock, storageOf } = world()
    storageOf.fails = () => true
    const callers = [new Caller(), new Caller()]
    const answers = callers.map((caller, index) => ask(`item ${index}`, caller).catch((error) => error))
    await turns()
    for (const caller of callers) caller.giveUp()
    await clock.advance(10_000)
    expect(calls).toHaveLength(1)
    expect(await Promise.all(answers)).toEqual(callers.map(({ refusal }) => refusal))
  })

  it('is sent while another batch waits for its retry', async () => {
    const { ask, clock, storageOf } = world()
    storageOf.fails = (items) => items.includes('bad')
    // This request is rejected during the last line. Another test checks its error.
    void ask('bad').catch(() => undefined)
    await turns()
    // The batcher retries `bad` only after time has passed. No time passes here, so the retries do not delay `good`.
    expect(await ask('good')).toBe('good done')
    await clock.advance(20_000)
  })

  it('for which every storage call fails is rejected within 7 s, and the other requests of its batch succeed', async () => {
    const { ask, clock, storageOf } = world()
    storageOf.fails = (items) => items.includes('bad')
    const good = ['a', 'b', 'c'].map((name) => ask(name))
    const bad = ask('bad').catch((error) => error)
    await turns()
    await clock.advance(7000)
    expect(await Promise.all(good)).toEqual(['a done', 'b done', 'c done'])
    const refused = await bad
    expect(refused).toBeInstanceOf(ItemRefused)
    expect(refused.error).toBeInstanceOf(RangeError)
  })

  it('gets its answer at once if the storage fails only for other requests, which succeed when the storage takes them', async () => {
    const { ask, calls, clock, storageOf, answerAll } = world()
    const locked = new Set(['locked', 'locked too'])
    storageOf.isLocked = (item) => locked.has(item)
    storageOf.holds = true
    const first = ask('first')
    await turns()
    const good = [ask('a'), ask('b')]
    const late: string[] = []
    for (const name of locked) void ask(name).then((answer) => late.push(answer))
    await answerAll()
    storageOf.holds = false
    await answerAll()
    expect(await Promise.all([first, ...good])).toEqual(['first done', 'a done', 'b done'])
    expect(await ask('later')).toBe('later done')
    await clock.advance(20_000)
    expect(late).toEqual([])
    locked.clear()
    await clock.advance(5000)
    expect(late).toEqual(['locked done', 'locked too done'])
    // The storage is asked for the locked requests together, and never again for the other requests of their batch.
    const repeats = calls.slice(calls.findIndex((items) => items.includes('later')) + 1)
    expect(new Set(repeats.map((items) => items.join()))).toEqual(new Set(['locked,locked too']))
  })

  it('gets its answer at once however many earlier calls failed for a part of their requests and are retried', async () => {
    const { ask, answerAll, calls, clock, storageOf } = world()
    const locked = new Set(names(20))
    storageOf.isLocked = (item) => locked.has(item)
    const late = new Set<string>()
    for (const name of locked) {
      void ask(name).then((answer) => late.add(answer))
      expect(await ask(`good ${name}`)).toBe(`good ${name} done`)
    }
    storageOf.holds = true
    calls.length = 0
    await clock.advance(60_000)
    // Each of these calls may occupy a connection of the storage.
    expect(calls).toHaveLength(4)
    storageOf.holds = false
    locked.delete('item 7')
    await answerAll()
    await clock.advance(60_000)
    expect([...late]).toEqual(['item 7 done'])
    locked.clear()
    await clock.advance(60_000)
    expect(late.size).toBe(20)
  })

  it('that the storage refuses is rejected without a wait, and the other requests of its batch succeed', async () => {
    const { ask, calls, storageOf, answerAll } = world()
    storageOf.refuses = (items) => items.includes('bad')
    const alone = ask('bad').catch((error: unknown) => error)
    expect(await alone).toMatchObject({ constructor: ItemRefused, error: { code: 'STORAGE_REFUSED' } })
    expect(calls.splice(0)).toEqual([['bad']])
    storageOf.holds = true
    const first = ask('first')
    await turns()
    const good = ['a', 'b', 'c'].map((name) => ask(name))
    const bad = ask('bad').catch((error: unknown) => error)
    await answerAll()
    storageOf.holds = false
    await answerAll()
    expect(await bad).toBeInstanceOf(ItemRefused)
    expect(await Promise.all([first, ...good])).toEqual(['first done', 'a done', 'b done', 'c done'])
    expect(calls.filter((items) => items.includes('bad'))).toEqual([['a', 'b', 'c', 'bad'], ['c', 'bad'], ['bad']])
  })

  it('succeeds although the storage refuses another request of its batch, whose caller has given up', async () => {
    const { ask, calls, storageOf, answerAll } = world()
    storageOf.refuses = (items) => items.includes('bad')
    storageOf.holds = true
    const first = ask('first')
    await turns()
    const caller = new Caller()
    const bad = ask('bad', caller).catch((error: unknown) => error)
    const good = ask('good')
    await answerAll()
    caller.giveUp()
    storageOf.holds = false
    await answerAll()
    expect(await bad).toBeInstanceOf(ItemRefused)
    expect(await Promise.all([first, good])).toEqual(['first done', 'good done'])
    expect(calls).toEqual([['first'], ['bad', 'good'], ['bad'], ['good']])
  })

  it('for which the batcher’s function `make` threw an error is made again for the next call', async () => {
    const { clock, storage, fail } = world()
    const sent: string[] = []
    const errors: unknown[] = []
    let isBroken = true
    const batcher = new Batcher<string, string, string>(
      { fail, maxBatch: 10, now: () => clock.now(), storage },
      {
        operation: 'settle',
        make(name) {
          if (isBroken) throw new RangeError('not yet')
          return name
        },
        async send(_storage, items) {
          sent.push(...items)
          return items
        },
        answered() {},
        rejected() {},
        aborted: (_name, error) => errors.push(error),
      },
    )
    batcher.add('run')
    await turns()
    isBroken = false
    batcher.add('run')
    await turns()
    expect([errors.length, sent]).toEqual([1, ['run']])
  })

  it('rejects with EngineStopped once the batcher is stopped', async () => {
    const { ask, gathered, storage, agenda, storageOf } = world()
    storageOf.fails = () => true
    const answers = [ask('sent').catch((error) => error)]
    await turns()
    answers.push(ask('gathered').catch((error) => error))
    storage.stop()
    gathered.stop()
    agenda.stop()
    for (const answer of await Promise.all(answers)) expect(answer).toBeInstanceOf(EngineStopped)
  })

  it('rejects with the error of the function that its caller passed to make the item; other requests succeed', async () => {
    const { ask, gathered } = world()
    const bad = gathered.send(new Caller(), () => {
      throw new RangeError('not made')
    })
    const good = ask('good')
    await expect(bad).rejects.toThrow('not made')
    expect(await good).toBe('good done')
  })
})
