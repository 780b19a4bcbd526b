import fc from 'fast-check'
import { expect, it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { defaultSettings } from '../src/configuration/read-settings.ts'
import { Capacity, type PermitHolder } from '../src/engine/execution/capacity.ts'
import { Agenda } from '../src/engine/runtime/agenda.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'

const longestWaitMs = 100

type Step =
  | { readonly kind: 'enter'; readonly orderAt: number }
  | { readonly kind: 'leave' | 'leaveAgain'; readonly which: number }
  | { readonly kind: 'reserve' | 'unreserve'; readonly count: number }
  | { readonly kind: 'request' | 'requestAnswered' | 'stop' }
  | { readonly kind: 'pass'; readonly ms: number }

const steps = fc.array(
  fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
    { weight: 24, arbitrary: fc.record({ kind: fc.constant('enter'), orderAt: fc.nat(2) }) },
    { weight: 16, arbitrary: fc.record({ kind: fc.constant('leave'), which: fc.nat(9) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('leaveAgain'), which: fc.nat(9) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom('reserve', 'unreserve'), count: fc.nat(2) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom('request', 'requestAnswered') }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.constantFrom(20, 40, 100) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop') }) },
  ),
  { minLength: 20, maxLength: 80 },
)

interface Modelled extends PermitHolder {
  readonly number: number
  readonly since: number
}

/** A model of the rules of permits, written for clarity and not for speed. */
class Model {
  readonly held = new Set<Modelled>()
  waiting: Modelled[] = []
  reserved = 0
  requested = 0
  isStopped = false
  readonly events: string[] = []

  readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  get free(): number {
    return this.limit - this.held.size - this.reserved
  }

  start(holder: Modelled): void {
    this.held.add(holder)
    this.events.push(`start ${holder.number}`)
  }

  enter(holder: Modelled): void {
    if (this.held.size < this.limit) this.start(holder)
    else {
      this.waiting.push(holder)
      this.waiting.sort((left, right) => left.orderAt - right.orderAt || left.number - right.number)
    }
  }

  leave(holder: Modelled): void {
    this.waiting = this.waiting.filter((one) => one !== holder)
    if (!this.held.delete(holder)) return
    while (!this.isStopped && this.held.size < this.limit && this.waiting.length > 0) {
      this.start(this.waiting.shift() as Modelled)
    }
  }

  passTo(now: number): void {
    const overdue = this.waiting.filter(({ since }) => since + longestWaitMs <= now)
    for (const holder of overdue.sort((left, right) => left.since - right.since)) {
      this.events.push(`hand back ${holder.number}`)
      this.leave(holder)
    }
  }
}

it('Capacity gives permits to the same holders as the simple model of this test, whatever the order of calls', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (limit, list) => {
      const clock = virtualClock(0)
      const agenda = new Agenda({ clock, wallNow: () => clock.now(), onSlotsDue: () => undefined })
      agenda.start()
      const capacity = new Capacity({ agenda, clock }, { limit, prefetch: 0 })
      const model = new Model(limit)
      const events: string[] = []
      const all: Modelled[] = []
      for (const step of list) {
        switch (step.kind) {
          case 'enter': {
            const number = all.length
            const holder: Modelled = {
              number,
              orderAt: step.orderAt,
              since: clock.monotonic(),
              permit: 'none',
              start: () => events.push(`start ${number}`),
              handBack: () => {
                events.push(`hand back ${number}`)
                capacity.leave(holder, null)
              },
            }
            all.push(holder)
            capacity.enter(holder)
            model.enter(holder)
            break
          }
          case 'leave':
          case 'leaveAgain': {
            const isEarlier = step.kind === 'leaveAgain'
            const candidates = isEarlier ? all : [...model.held, ...model.waiting]
            const holder = candidates[step.which % Math.max(candidates.length, 1)]
            if (holder === undefined) break
            capacity.leave(holder, step.kind === 'leave' ? 1 : null)
            model.leave(holder)
            break
          }
          case 'reserve':
            capacity.reserve(step.count)
            model.reserved += step.count
            break
          case 'unreserve': {
            const count = Math.min(step.count, model.reserved - model.requested)
            capacity.unreserve(count)
            model.reserved -= count
            break
          }
          case 'request':
            if (capacity.roomForRequests() === 0) break
            capacity.reserveRequest()
            model.requested++
            model.reserved++
            break
          case 'requestAnswered':
            if (model.requested === 0) break
            capacity.unreserveRequest()
            model.requested--
            model.reserved--
            break
          case 'stop':
            capacity.stop()
            model.isStopped = true
            break
          case 'pass':
            await clock.advance(step.ms)
            model.passTo(clock.monotonic())
        }
        expect(events).toEqual(model.events)
        expect(capacity.waitingCount).toBe(model.waiting.length)
        expect(capacity.roomToClaim()).toBe(Math.max(0, model.free))
        expect(capacity.roomForSlot(defaultSettings)).toBe(Math.max(0, model.free - model.waiting.length))
        const half = Math.max(1, Math.floor(limit / 2))
        expect(capacity.roomForRequests()).toBe(Math.max(0, Math.min(model.free, half - model.requested)))
        expect(capacity.roomForNext()).toBe(model.free > 0 && model.waiting.length === 0 && !model.isStopped)
      }
    }),
    { numRuns: byEffort(300, 120) },
  )
})
