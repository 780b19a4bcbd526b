import { defineJob, type Job } from '@jobistemer/core'
import { WindowedSchedule } from '@jobistemer/core/schedule'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf, type World } from '../support/world.ts'

/** Makes two jobs, which record each call of their handlers. */
function neighbours(world: World): { readonly jobs: Job[]; readonly called: string[] } {
  const called: string[] = []
  const jobs = ['a', 'z'].map((name) =>
    defineJob({
      name,
      schedule: everySeconds(10, +at(20)),
      tasks: [{ name: 'work', run: () => called.push(`${name} ${secondsOf(world.clock.now())}`) }],
    }),
  )
  return { jobs, called }
}

const asEver = ['a 10', 'a 20', 'z 10', 'z 20']

/** A custom schedule whose instants a function returns. */
class Own extends WindowedSchedule {
  readonly #next: (afterMs: number) => number | null

  constructor(next: (afterMs: number) => number | null) {
    super()
    this.#next = next
  }

  get type() {
    return everyType
  }

  describe(): string {
    return 'own'
  }

  toJSON() {
    return { type: 'every', intervalMs: 10_000, endMs: null }
  }

  protected nextAfter(afterMs: number): number | null {
    return this.#next(afterMs)
  }

  protected previousBefore(beforeMs: number): number | null {
    return this.#next(beforeMs - 20_000)
  }
}

describe('a handler that returns an unusable value fails without an effect on other jobs', () => {
  const thrower = (what: string): never => {
    throw new Error(what)
  }
  const withThen = (target: object, then: PropertyDescriptor) => Object.defineProperty(target, 'then', then)
  const value = () => thrower('odd')
  it.each<[string, () => unknown]>([
    ['an object whose then throws', () => withThen({}, { value })],
    ['an object whose then cannot be read', () => withThen({}, { get: value })],
    ['a promise whose then throws', () => withThen(Promise.resolve(1), { value })],
    ['a proxy whose traps throw', () => new Proxy({}, { has: value, get: value })],
  ])('the value is %s', async (_, answer) => {
    const world = createWorld()
    const { jobs, called } = neighbours(world)
    const odd = defineJob({
      name: 'odd',
      schedule: everySeconds(10, +at(10)),
      tasks: [{ name: 'work', run: () => answer() as undefined }],
    })
    const scheduler = await world.start({ jobs: [jobs[0] as Job, odd, jobs[1] as Job] })
    await world.clock.advanceTo(at(25))
    expect(called.sort()).toEqual(asEver)
    const occurrence = await onlyOccurrence(scheduler, 'odd')
    expect(occurrence.state).toBe('failed')
    expect(occurrence.tasks[0]?.attempts[0]?.error?.message).toBe('odd')
  })
})

describe('a handler that throws an unusual value fails without an effect on other jobs, and is logged', () => {
  const refuses = (): never => {
    throw new Error('odd')
  }
  it.each<[string, () => unknown]>([
    ['null', () => null],
    ['undefined', () => undefined],
    ['a symbol', () => Symbol('odd')],
    ['an object without a prototype', () => Object.create(null)],
    [
      'an error whose members cannot be read',
      () => {
        const members = ['name', 'message', 'stack', 'cause', 'code', 'errors']
        return Object.defineProperties(
          new Error('odd'),
          Object.fromEntries(members.map((name) => [name, { get: refuses }])),
        )
      },
    ],
    ['a proxy whose traps throw', () => new Proxy({}, { get: refuses, has: refuses, getPrototypeOf: refuses })],
    [
      'a proxy that was revoked',
      () => {
        const { proxy, revoke } = Proxy.revocable(new Error('odd'), {})
        revoke()
        return proxy
      },
    ],
  ])('the value is %s', async (_, thrown) => {
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => written.mockRestore())
    const world = createWorld()
    const { jobs, called } = neighbours(world)
    const run = (): never => {
      throw thrown()
    }
    const odd = defineJob({ name: 'odd', schedule: everySeconds(10, +at(10)), tasks: [{ name: 'work', run }] })
    const all = [jobs[0] as Job, odd, jobs[1] as Job]
    // An undefined `logger` replaces the silent logger of the simulated cluster. So the scheduler logs to stderr, where the
    // test reads its lines.
    const logger = undefined as never
    const scheduler = await world.start({ jobs: all, logger })
    await world.clock.advanceTo(at(25))
    expect(called.sort()).toEqual(asEver)
    expect((await onlyOccurrence(scheduler, 'odd')).state).toBe('failed')
    expect(written.mock.calls.map(([line]) => String(line))).toEqual([expect.stringMatching(/ task failed job=odd /)])
  })
})

describe('an invalid custom schedule stops only its own job, and is reported', () => {
  it.each<[string, (slot: number) => unknown]>([
    ['returns the same instant', (slot) => slot],
    ['returns an earlier instant', (slot) => slot - 10_000],
    ['returns NaN', () => Number.NaN],
    ['returns a Date', (slot) => new Date(slot + 10_000)],
    ['returns an instant beyond the range of Date', () => 1e16],
    [
      'throws',
      () => {
        throw new Error('odd')
      },
    ],
  ])('if the schedule %s', async (_, answer) => {
    const world = createWorld()
    const { jobs, called } = neighbours(world)
    let isOdd = false
    const next = (afterMs: number) => {
      const slot = Math.floor(afterMs / 10_000 + 1) * 10_000
      return isOdd ? (answer(afterMs) as number) : slot
    }
    const odd = defineJob({ name: 'odd', schedule: new Own(next), tasks: [{ name: 'work', run: () => undefined }] })
    const scheduler = await world.start({ jobs: [jobs[0] as Job, odd, jobs[1] as Job] })
    const failures = listen(scheduler, 'engine.failed')
    isOdd = true
    await world.clock.advanceTo(at(25))
    expect(called.sort()).toEqual(asEver)
    expect(await fates(scheduler, 'odd')).toEqual([])
    expect(failures.map(({ event }) => event.where)).toEqual(['schedule of job odd'])
    expect(failures[0]?.event.error).toMatchObject({ code: 'INVALID_SCHEDULE', field: 'schedule' })
    await expect(scheduler.nextRuns('odd')).rejects.toMatchObject({ code: 'INVALID_SCHEDULE' })
  })

  it.each(['execute_all', 'execute_last', 'mark_as_missed', 'compressed'] as const)(
    'if the schedule repeats an instant during a recovery under the recovery strategy %s',
    async (type) => {
      const world = createWorld()
      const { jobs, called } = neighbours(world)
      let isOdd = false
      const next = (afterMs: number) => (isOdd ? afterMs : Math.floor(afterMs / 10_000 + 1) * 10_000)
      const odd = defineJob({
        name: 'odd',
        schedule: new Own(next),
        recoveryStrategy: type,
        misfireThreshold: 1,
        tasks: [{ name: 'work', run: () => undefined }],
      })
      const first = await world.start({ jobs: [odd] })
      await world.shutdown(first)
      await world.clock.advanceTo(at(5))
      const second = await world.start({ jobs: [jobs[0] as Job, odd, jobs[1] as Job] })
      const failures = listen(second, 'engine.failed')
      isOdd = true
      world.freeze(second)
      await world.clock.advanceTo(at(16))
      await world.thaw(second)
      await world.clock.advanceTo(at(25))
      expect(called.map((line) => line.split(' ')[0]).sort()).toEqual(['a', 'a', 'z', 'z'])
      expect(failures.map(({ event }) => event.where)).toEqual(['schedule of job odd'])
    },
  )
})
