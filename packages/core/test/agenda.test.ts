import { describe, expect, it } from 'vitest'
import type { Clock } from '../src/clock.ts'
import { Agenda, type Alarm, type SlotEntry } from '../src/engine/runtime/agenda.ts'
import { type VirtualClock, virtualClock } from '../src/testing/virtual-clock.ts'
import { countTimers } from './support/count-timers.ts'

const start = Date.UTC(2026, 0, 1)
const hourMs = 3_600_000

interface World {
  readonly clock: VirtualClock
  readonly agenda: Agenda<SlotEntry>
  /** The slots that the agenda found due, and the alarms that rang. Each has its instant in milliseconds since the start. */
  readonly log: [name: string, atMs: number][]
  alarm(name: string): Alarm
  /** Puts a slot on the agenda, due `atMs` milliseconds after the start. */
  slot(atMs: number, priority?: number): SlotEntry
}

/**
 * Makes an agenda on a virtual clock. The listener of the agenda removes due slots at once, and notes these slots in
 * the log.
 */
function world(options: { holds?: boolean } = {}): World {
  const clock = virtualClock(start)
  const log: World['log'] = []
  const agenda: Agenda<SlotEntry> = new Agenda({
    clock,
    wallNow: () => clock.now(),
    onSlotsDue: () => {
      for (let slot = agenda.peekDueSlot(clock.now()); slot !== undefined; slot = agenda.peekDueSlot(clock.now())) {
        agenda.setSlot(slot, null)
        log.push([`slot of ${slot.at - start}`, clock.monotonic()])
      }
      if (options.holds !== true) agenda.slotsLaunched()
    },
  })
  return {
    clock,
    agenda,
    log,
    alarm: (name) => ({ at: 0, heapIndex: -1, ring: () => log.push([name, clock.monotonic()]) }),
    slot(atMs, priority = 0) {
      const slot = { at: 0, heapIndex: -1, forwardMs: priority * hourMs }
      agenda.setSlot(slot, start + atMs)
      return slot
    },
  }
}

describe('the agenda of a node', () => {
  it('reports each slot at its instant, in order of time, and all slots of one instant together', async () => {
    const { clock, agenda, log, slot } = world()
    for (const at of [3000, 1000, 2000, 1000]) slot(at)
    agenda.start()
    agenda.slotsLaunched()
    await clock.advance(2500)
    expect(log).toEqual([
      ['slot of 1000', 1000],
      ['slot of 1000', 1000],
      ['slot of 2000', 2000],
    ])
  })

  it('reports a slot at once if its instant has already passed', async () => {
    const { clock, agenda, log, slot } = world()
    agenda.start()
    agenda.slotsLaunched()
    slot(-5000)
    await clock.settle()
    await clock.advance(0)
    expect(log).toEqual([['slot of -5000', 0]])
  })

  it('reports a slot only at the instant that was set last, and never if that instant is null', async () => {
    const { clock, agenda, log, slot } = world()
    agenda.start()
    agenda.slotsLaunched()
    const moved = slot(1000)
    const later = slot(1500)
    const gone = slot(1200)
    agenda.setSlot(moved, start + 2000)
    agenda.setSlot(later, start + 500)
    agenda.setSlot(gone, null)
    await clock.advance(5000)
    expect(log).toEqual([
      ['slot of 500', 500],
      ['slot of 2000', 2000],
    ])
  })

  it('orders due slots by their instant minus `forwardMs`, the number of ms by which the priority moves a slot forward', () => {
    const { clock, agenda, slot } = world()
    const first = slot(1000, 1)
    const second = slot(2000, 1)
    const plain = slot(1000)
    const low = slot(500, -1)
    const ahead = slot(3000, 10)
    const old = slot(-3_600_000 + 1500)
    const told: SlotEntry[] = []
    for (let next = agenda.peekDueSlot(start + 2000); next !== undefined; next = agenda.peekDueSlot(start + 2000)) {
      agenda.setSlot(next, null)
      told.push(next)
    }
    expect(told).toEqual([first, old, second, plain, low])
    expect(agenda.peekSlot()).toBe(ahead)
    expect(clock.now()).toBe(start)
  })

  it('sets its timer for the earliest slot, whatever the priorities of later slots', async () => {
    const { clock, agenda, log, slot } = world()
    agenda.start()
    agenda.slotsLaunched()
    slot(2000, 10)
    slot(1000, -10)
    slot(3000)
    await clock.advance(5000)
    expect(log).toEqual([1000, 2000, 3000].map((at) => [`slot of ${at}`, at]))
  })

  it('changes the priority of a slot that it contains, and ignores a new priority of any other slot', () => {
    const { agenda, slot } = world()
    const [moved, other] = [slot(1000), slot(900)]
    const gone = slot(800)
    agenda.setSlot(gone, null)
    for (const one of [moved, gone]) agenda.setForward(one, 5 * hourMs)
    expect([agenda.peekDueSlot(start + 1000), agenda.peekSlot()]).toEqual([moved, other])
    agenda.setSlot(gone, start + 800)
    expect(agenda.peekDueSlot(start + 1000)).toBe(gone)
    for (const one of [moved, gone, other]) agenda.setSlot(one, null)
    expect(agenda.peekSlot()).toBeUndefined()
  })

  it('reports no further slots, but still rings alarms, while earlier slots are being launched', async () => {
    const { clock, agenda, log, slot, alarm } = world({ holds: true })
    slot(1000)
    slot(2000)
    agenda.start()
    agenda.slotsLaunched()
    agenda.setAlarm(alarm('alarm'), 2500)
    await clock.advance(3000)
    expect(log).toEqual([
      ['slot of 1000', 1000],
      ['alarm', 2500],
    ])
    agenda.slotsLaunched()
    await clock.advance(0)
    expect(log.at(-1)).toEqual(['slot of 2000', 3000])
  })

  it('rings each alarm once, in the order of the times for which the alarms are set', async () => {
    const { clock, agenda, log, alarm } = world()
    agenda.start()
    agenda.setAlarm(alarm('late'), 300)
    agenda.setAlarm(alarm('early'), 100)
    agenda.setAlarm(alarm('now'), 0)
    await clock.advance(1000)
    expect(log).toEqual([
      ['now', 0],
      ['early', 100],
      ['late', 300],
    ])
  })

  it('rings an alarm that was set twice only at the time that was set last, and rings no canceled alarm', async () => {
    const { clock, agenda, log, alarm } = world()
    agenda.start()
    const moved = alarm('moved')
    const cancelled = alarm('cancelled')
    agenda.setAlarm(moved, 100)
    agenda.setAlarm(cancelled, 100)
    await clock.advance(50)
    agenda.setAlarm(moved, 100)
    agenda.cancelAlarm(cancelled)
    await clock.advance(1000)
    expect(log).toEqual([['moved', 150]])
  })

  it('lets an alarm set itself again while it rings', async () => {
    const { clock, agenda, log } = world()
    agenda.start()
    const alarm: Alarm = {
      at: 0,
      heapIndex: -1,
      ring() {
        log.push(['tick', clock.monotonic()])
        agenda.setAlarm(alarm, 1000)
      },
    }
    agenda.setAlarm(alarm, 1000)
    await clock.advance(3500)
    expect(log.map(([, at]) => at)).toEqual([1000, 2000, 3000])
  })

  it('reports slots and rings alarms that lie 90 days ahead', async () => {
    const { clock, agenda, log, slot, alarm } = world()
    const days = 90 * 86_400_000
    slot(days)
    agenda.start()
    agenda.slotsLaunched()
    agenda.setAlarm(alarm('alarm'), days + 1)
    await clock.advance(days + 1)
    expect(log).toEqual([
      [`slot of ${days}`, days],
      ['alarm', days + 1],
    ])
  })

  it('reports overdue slots within a minute after the wall clock was set forward', async () => {
    const { clock, agenda, log, slot } = world()
    slot(3_600_000)
    agenda.start()
    agenda.slotsLaunched()
    await clock.jumpTo(start + 7_200_000)
    await clock.advance(60_000)
    expect(log).toEqual([['slot of 3600000', 60_000]])
  })

  it('reports overdue slots at once when its method `rearm` is called after the wall clock was set forward', async () => {
    const { clock, agenda, log, slot } = world()
    slot(3_600_000)
    slot(7_200_500)
    agenda.start()
    agenda.slotsLaunched()
    await clock.jumpTo(start + 7_200_000)
    agenda.rearm()
    await clock.advance(1000)
    expect(log).toEqual([
      ['slot of 3600000', 0],
      ['slot of 7200500', 500],
    ])
  })

  it('still reports a slot only at its instant if the wall clock was set back', async () => {
    const { clock, agenda, log, slot } = world()
    slot(10_000)
    agenda.start()
    agenda.slotsLaunched()
    await clock.advance(5000)
    await clock.jumpTo(start)
    await clock.advance(9999)
    expect(log).toEqual([])
    await clock.advance(1)
    expect(log).toEqual([['slot of 10000', 15_000]])
  })

  it('rings alarms by the monotonic clock, whatever the wall clock shows', async () => {
    const { clock, agenda, log, alarm } = world()
    agenda.start()
    agenda.setAlarm(alarm('alarm'), 5000)
    await clock.jumpTo(start + 3_600_000)
    await clock.advance(4999)
    await clock.jumpTo(start)
    expect(log).toEqual([])
    await clock.advance(1)
    expect(log).toEqual([['alarm', 5000]])
  })

  it('uses one timer for any number of slots and alarms', async () => {
    const { clock, agenda, slot, alarm } = world()
    const timers = countTimers(clock)
    agenda.start()
    agenda.slotsLaunched()
    for (let at = 1000; at > 0; at--) {
      slot(at)
      agenda.setAlarm(alarm('alarm'), at)
    }
    expect(timers.set).toBe(1)
    await clock.advance(500)
    expect(timers.set).toBe(1)
  })

  it('rings no alarm and sets no timer after it was stopped', async () => {
    const { clock, agenda, log, slot, alarm } = world()
    const timers = countTimers(clock)
    agenda.start()
    slot(1000)
    agenda.setAlarm(alarm('before'), 1000)
    agenda.stop()
    agenda.setAlarm(alarm('after'), 500)
    agenda.slotsLaunched()
    expect(timers.set).toBe(0)
    await clock.advance(5000)
    expect(log).toEqual([])
  })
})

describe('the agenda of a client', () => {
  function clientWorld() {
    const clock = virtualClock(start)
    const held: boolean[] = []
    const watched: Clock = {
      ...clock,
      setTimer(delayMs, callback, options) {
        const index = held.push(options?.unref !== true) - 1
        const end = () => {
          held[index] = false
        }
        const ring = () => {
          end()
          callback()
        }
        const timer = clock.setTimer(delayMs, ring, options)
        const cancel = () => {
          end()
          timer.cancel()
        }
        return { cancel }
      },
    }
    const agenda = new Agenda<SlotEntry>({
      clock: watched,
      wallNow: () => clock.now(),
      onSlotsDue() {},
      holdsProcess: false,
    })
    agenda.start()
    return { clock, agenda, isHeld: () => held.includes(true) }
  }

  it('sets only timers that do not keep the process alive', async () => {
    const { clock, agenda, isHeld } = clientWorld()
    let rung = 0
    const ring = (): void => {
      rung++
    }
    agenda.setAlarm({ at: 0, heapIndex: -1, ring }, 5000)
    agenda.setAlarm({ at: 0, heapIndex: -1, ring }, 500)
    expect(isHeld()).toBe(false)
    await clock.advance(5000)
    expect([rung, isHeld()]).toEqual([2, false])
  })
})
