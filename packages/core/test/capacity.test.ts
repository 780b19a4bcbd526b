import { beforeEach, describe, expect, it } from 'vitest'
import type { JobSettings } from '../src/configuration/settings.ts'
import { defaultSettings } from '../src/configuration/read-settings.ts'
import { Capacity, type PermitHolder } from '../src/engine/execution/capacity.ts'
import { Agenda } from '../src/engine/runtime/agenda.ts'
import { type Ordered, priorityStepMs } from '../src/storage/index.ts'
import { type VirtualClock, virtualClock } from '../src/testing/virtual-clock.ts'

const settings: JobSettings = defaultSettings
let clock: VirtualClock
let log: string[]

function capacityOf(options: { limit: number; prefetch?: number }): Capacity {
  const agenda = new Agenda({ clock, wallNow: () => clock.now(), onSlotsDue: () => undefined })
  agenda.start()
  const capacity = new Capacity({ agenda, clock }, { prefetch: 100, ...options })
  capacity.room.listen(() => log.push('room'))
  capacity.work.listen(() => log.push('work'))
  return capacity
}

function holder(name: string, orderAt = 0): PermitHolder {
  return {
    permit: 'none',
    orderAt,
    start: () => log.push(`${name} starts`),
    handBack: () => log.push(`${name} is handed back`),
  }
}

beforeEach(() => {
  clock = virtualClock('2026-01-01T00:00:00Z')
  log = []
})

describe('the permits of a node', () => {
  it('go to the first holders up to the capacity of the node, and then to the holder that has waited longest', () => {
    const capacity = capacityOf({ limit: 1 })
    const [first, second, third] = [holder('first'), holder('second'), holder('third')]
    for (const one of [first, second, third]) capacity.enter(one)
    expect(log).toEqual(['first starts'])
    expect(capacity.waitingCount).toBe(2)
    capacity.leave(first, 1)
    capacity.leave(first, null)
    expect(log).toEqual(['first starts', 'second starts'])
    expect(capacity.waitingCount).toBe(1)
  })

  it('go to the holder of the highest priority, and among equal priorities to the holder that has waited longest', () => {
    const capacity = capacityOf({ limit: 1 })
    const first = holder('first')
    const waiting = [holder('late', 3), holder('urgent', 1), holder('as urgent', 1), holder('between', 2)]
    for (const one of [first, ...waiting]) capacity.enter(one)
    let running = first
    for (const next of [1, 2, 3, 0].map((index) => waiting[index] as PermitHolder)) {
      capacity.leave(running, 1)
      running = next
    }
    expect(log).toEqual(['first', 'urgent', 'as urgent', 'between', 'late'].map((name) => `${name} starts`))
  })

  it('do not go to a holder that stopped waiting', () => {
    const capacity = capacityOf({ limit: 1 })
    const [first, second] = [holder('first'), holder('second')]
    capacity.enter(first)
    capacity.enter(second)
    capacity.leave(second, null)
    capacity.leave(first, 1)
    expect(log).toEqual(['first starts'])
    expect(capacity.roomToClaim()).toBe(1)
  })

  it('are not available while they are reserved for a storage call in progress', () => {
    const capacity = capacityOf({ limit: 3 })
    capacity.enter(holder('first'))
    capacity.reserve(1)
    expect([capacity.roomToClaim(), capacity.roomForRequests() > 0, capacity.roomForSlot(settings)]).toEqual([
      1,
      true,
      1,
    ])
    capacity.reserve(2)
    expect([capacity.roomToClaim(), capacity.roomForRequests() > 0, capacity.roomForSlot(settings)]).toEqual([
      0,
      false,
      0,
    ])
    capacity.unreserve(3)
    expect(capacity.roomToClaim()).toBe(2)
  })

  it('are reserved for requests only up to one half of all permits, so that due slots find free permits', () => {
    for (const [limit, share] of [
      [1, 1],
      [2, 1],
      [5, 2],
      [50, 25],
    ] as const) {
      const capacity = capacityOf({ limit, prefetch: 0 })
      let kept = 0
      while (capacity.roomForRequests() > 0 && kept < 100) {
        capacity.reserveRequest()
        kept++
      }
      expect(kept).toBe(share)
      expect(capacity.roomForSlot(settings)).toBe(limit - share)
      capacity.unreserveRequest()
      expect(capacity.roomForRequests()).toBeGreaterThan(0)
    }
  })

  it('are not reserved for a request while a due slot waits, or while older work waits in the storage', () => {
    const capacity = capacityOf({ limit: 2 })
    capacity.enter(holder('quick'))
    capacity.reserveRequest()
    expect(capacity.holds(clock.now(), settings, 0, clock.now())).toBe(true)
    capacity.unreserveRequest()
    // After the signal `room`, the launcher checks the waiting slot again at once.
    expect(log).toContain('room')
    expect(capacity.roomForRequests()).toBe(0)
    capacity.heldForMs = 0
    expect(capacity.roomForRequests()).toBeGreaterThan(0)
    capacity.workLeft(true, 0)
    expect(capacity.roomForRequests()).toBe(0)
  })

  it('are awaited by a run for at most 100 ms, after which the node hands the run back to the storage', async () => {
    const capacity = capacityOf({ limit: 1 })
    capacity.enter(holder('first'))
    capacity.enter(holder('second'))
    await clock.advance(60)
    capacity.enter(holder('third'))
    await clock.advance(39)
    expect(log).toEqual(['first starts'])
    await clock.advance(1)
    expect(log).toEqual(['first starts', 'second is handed back'])
  })

  it('are awaited for at most 100 ms by a run of lower priority too, and then the node hands back this run', async () => {
    const capacity = capacityOf({ limit: 1 })
    capacity.enter(holder('first'))
    capacity.enter(holder('second', 2))
    await clock.advance(60)
    capacity.enter(holder('urgent', 1))
    await clock.advance(40)
    expect(log).toEqual(['first starts', 'second is handed back'])
  })

  it('are not given out after the node was stopped', () => {
    const capacity = capacityOf({ limit: 1 })
    const first = holder('first')
    capacity.enter(first)
    capacity.enter(holder('second'))
    capacity.stop()
    capacity.leave(first, 1)
    expect(log).toEqual(['first starts'])
  })
})

describe('a burst of requests', () => {
  /** Makes a capacity that takes the virtual clock for a real clock. On a virtual clock, no request would wait for a permit. */
  function realCapacity(limit: number): Capacity {
    const { isAuthoritative: _, ...rest } = clock
    const agenda = new Agenda({ clock: rest, wallNow: () => clock.now(), onSlotsDue: () => undefined })
    agenda.start()
    const capacity = new Capacity({ agenda, clock: rest }, { limit, prefetch: 100 })
    capacity.requestRoom.listen(() => log.push('request room'))
    return capacity
  }

  it('waits for permits while handlers are quick; the signal requestRoom reports when a permit may be free', async () => {
    const capacity = realCapacity(10)
    expect(capacity.admitRequests(60, 0)).toBe(5)
    for (let request = 0; request < 5; request++) capacity.reserveRequest()
    // Seven requests of the burst remain. They still wait for permits.
    expect(capacity.admitRequests(7, 1)).toBe(0)
    capacity.unreserveRequest()
    expect(log).toEqual(['request room'])
    expect(capacity.admitRequests(7, 1)).toBe(1)
    await clock.advance(100)
    expect(log).toEqual(['request room', 'request room'])
    expect(capacity.admitRequests(7, 100)).toBe(7)
  })

  it('waits until the storage has no backlog', () => {
    const capacity = realCapacity(10)
    capacity.workAppeared()
    expect(capacity.admitRequests(60, 0)).toBe(0)
    capacity.workLeft(false, 0)
    expect(log).toEqual(['request room'])
    expect(capacity.admitRequests(60, 0)).toBe(5)
  })

  it('is sent at once if handlers are slow, if the burst is small, or if the clock is virtual', () => {
    const slow = realCapacity(10)
    const one = holder('slow')
    slow.enter(one)
    slow.leave(one, 20)
    expect(slow.admitRequests(60, 0)).toBe(60)
    expect(realCapacity(10).admitRequests(49, 0)).toBe(49)
    expect(capacityOf({ limit: 10 }).admitRequests(60, 0)).toBe(60)
  })
})

describe('the prefetch of due slots', () => {
  it('takes only slots that are expected to get a permit within 5 ms, and no slot before the first handler has ended', () => {
    const capacity = capacityOf({ limit: 2, prefetch: 7 })
    const first = holder('first')
    expect(capacity.roomForSlot(settings)).toBe(2)
    capacity.enter(first)
    capacity.leave(first, 2)
    // A handler takes 2 ms, so two permits become free every 2 ms. This makes five permits within 5 ms. Two more permits are
    // free now.
    expect(capacity.roomForSlot(settings)).toBe(2 + 5)
    expect(capacity.roomForSlot({ ...settings, executionTimeoutMs: 999 })).toBe(2)
    expect(capacity.roomToClaim()).toBe(2)
  })

  it('takes at most `prefetch` slots beyond the permits', () => {
    const capacity = capacityOf({ limit: 2, prefetch: 3 })
    const first = holder('first')
    capacity.enter(first)
    capacity.leave(first, 0)
    expect(capacity.roomForSlot(settings)).toBe(2 + 3)
  })
})

describe('due slots without a free permit', () => {
  it('wait on the node for at most 100 ms, and the signal `room` reports a free permit', () => {
    const capacity = capacityOf({ limit: 1 })
    const first = holder('first')
    capacity.enter(first)
    expect(capacity.holds(1000, settings, 0, 1030)).toBe(true)
    expect(capacity.heldForMs).toBe(70)
    capacity.leave(first, 1)
    expect(log).toEqual(['first starts', 'room'])
    expect(capacity.holds(1000, settings, 0, 1030)).toBe(false)
  })

  it('are stored at once if they are late, if half of their misfire threshold has passed, or if older work waits', () => {
    const capacity = capacityOf({ limit: 1 })
    capacity.enter(holder('first'))
    expect(capacity.holds(1000, settings, 0, 1100)).toBe(false)
    expect(capacity.holds(1000, { ...settings, misfireThresholdMs: 40 }, 0, 1020)).toBe(false)
    capacity.workAppeared()
    expect(capacity.holds(1000, settings, 0, 1030)).toBe(false)
    expect(capacity.heldForMs).toBe(0)
  })

  it('cause no signal when a permit becomes free after they have stopped waiting', () => {
    const capacity = capacityOf({ limit: 1 })
    const first = holder('first')
    capacity.enter(first)
    capacity.holds(1000, settings, 0, 1030)
    capacity.heldForMs = 0
    capacity.leave(first, 1)
    expect(log).toEqual(['first starts'])
  })
})

describe('due slots that found no permit within 100 ms', () => {
  /** Makes a capacity with two permits, both held. An earlier run has ended, and its handler took `handlerMs`. */
  function busy(handlerMs: number): Capacity {
    const capacity = capacityOf({ limit: 2, prefetch: 0 })
    const first = holder('first')
    for (const one of [first, holder('second'), holder('third')]) capacity.enter(one)
    capacity.leave(first, handlerMs)
    return capacity
  }

  const isHeld = (capacity: Capacity, taken: number, lateMs = 100) =>
    capacity.holds(clock.now() - lateMs, settings, taken, clock.now())

  it('are stored for other nodes up to the number of this node’s permits, and the remaining slots wait on this node', () => {
    const capacity = busy(1)
    expect([0, 1, 2, 3].map((taken) => isHeld(capacity, taken))).toEqual([false, false, true, true])
    expect(capacity.heldForMs).toBe(100)
  })

  it('stay on this node if the node itself claimed half of the slots that it had stored for other nodes', () => {
    const capacity = busy(1)
    const store = (count: number, claimed: number) => {
      for (let slot = 0; slot < count; slot++) capacity.workStored('a handler')
      capacity.workLeft(true, 0)
      capacity.workLeft(false, claimed)
    }
    store(4, 2)
    expect(isHeld(capacity, 0)).toBe(true)
    // A claim has found no pending work. Since its last decision, the node has stored no slot for other nodes. So the decision
    // stays in force: due slots wait on this node.
    capacity.workLeft(false, 0)
    expect(isHeld(capacity, 0)).toBe(true)
    store(4, 1)
    expect(isHeld(capacity, 0)).toBe(false)
  })

  it('are stored for other nodes again once another node has launched a slot of this node', () => {
    const capacity = busy(1)
    capacity.workStored('a handler')
    capacity.workLeft(false, 1)
    expect(isHeld(capacity, 0)).toBe(true)
    capacity.peerHasRoom()
    expect(isHeld(capacity, 0)).toBe(false)
  })

  it('are all stored for other nodes while handlers are slow, or if no handler has ended for 10 s', async () => {
    expect(isHeld(busy(101), 5)).toBe(false)
    const capacity = busy(1)
    await clock.advance(9999)
    expect(isHeld(capacity, 5)).toBe(true)
    await clock.advance(1)
    expect(isHeld(capacity, 5)).toBe(false)
  })

  it('stay on this node for at most half of their misfire threshold', () => {
    const capacity = busy(1)
    const heldFor = (lateMs: number) => {
      capacity.holds(clock.now() - lateMs, { ...settings, misfireThresholdMs: 400 }, 5, clock.now())
      return capacity.heldForMs
    }
    expect([heldFor(60), heldFor(130), heldFor(199), heldFor(200)]).toEqual([40, 70, 1, 0])
  })
})

describe('due slots of a node while the storage has more pending work than the node has permits', () => {
  /**
   * Makes a capacity whose only permit is held. Its handlers take `handlerMs`. Its last claim has left pending work in the
   * storage.
   */
  function workingOff(handlerMs: number): Capacity {
    const capacity = capacityOf({ limit: 1 })
    const one = holder('one')
    capacity.enter(one)
    capacity.leave(one, handlerMs)
    capacity.enter(holder('next'))
    capacity.workAppeared()
    capacity.workLeft(true, 1)
    return capacity
  }

  it('wait on the node until the backlog is empty, if handlers are quick', () => {
    const capacity = workingOff(100)
    const now = clock.now()
    expect(capacity.holds(now - 20_000, settings, 0, now)).toBe(true)
    expect(capacity.heldForMs).toBe(1000)
    log = []
    capacity.workLeft(false, 1)
    expect(log).toEqual(['room'])
    expect(capacity.holds(now - 20_000, settings, 0, now)).toBe(false)
  })

  it('join the backlog if handlers are slow, or if no handler has ended for 10 s', async () => {
    const slow = workingOff(101)
    expect(slow.holds(clock.now(), settings, 0, clock.now())).toBe(false)
    const stuck = workingOff(1)
    await clock.advance(9999)
    expect(stuck.holds(clock.now(), settings, 0, clock.now())).toBe(true)
    await clock.advance(1)
    expect(stuck.holds(clock.now(), settings, 0, clock.now())).toBe(false)
  })

  it('join the backlog once they are late by half of their misfire threshold: one slot for every two occurrences that the node claims', () => {
    const capacity = workingOff(1)
    const now = clock.now()
    const isHeld = (lateMs: number) => capacity.holds(now - lateMs, { ...settings, misfireThresholdMs: 8000 }, 0, now)
    capacity.workLeft(true, 3)
    expect([isHeld(3999), isHeld(4000), isHeld(4000), isHeld(4000)]).toEqual([true, false, false, true])
    capacity.workLeft(true, 1)
    expect(isHeld(4000)).toBe(true)
    capacity.workLeft(true, 1)
    expect([isHeld(4000), isHeld(4000)]).toEqual([false, true])
  })
})

describe('due slots of higher priority than the backlog in the storage', () => {
  /**
   * Makes a capacity with quick handlers and one permit, which is held. Its last claim took the occurrence `last`, and left
   * further pending work in the storage.
   */
  function workingOff(last: Ordered): Capacity {
    const capacity = capacityOf({ limit: 1 })
    const one = holder('one')
    capacity.enter(one)
    capacity.leave(one, 1)
    capacity.enter(holder('next'))
    capacity.workLeft(true, 0, last)
    return capacity
  }

  const now = Date.UTC(2026, 0, 1)
  const hour = priorityStepMs
  const isHeld = (capacity: Capacity, priority: number) => capacity.holds(now, { ...settings, priority }, 0, now)

  it('join the backlog at once, because the next claim takes them first', () => {
    const capacity = workingOff({ scheduledAt: now - hour, details: {} })
    expect([0, 1, 2].map((priority) => isHeld(capacity, priority))).toEqual([true, true, false])
    const low = workingOff({ scheduledAt: now - hour + 1, details: { priority: -5 } })
    expect([-5, -4, -3].map((priority) => isHeld(low, priority))).toEqual([true, false, false])
  })

  it('wait on the node while the priority of the backlog is unknown', () => {
    const capacity = workingOff({ scheduledAt: now, details: {} })
    expect(isHeld(capacity, 5)).toBe(false)
    // This claim has taken no occurrence, because no permit is free. So the node keeps the priority of the backlog that it
    // knows from the last claim.
    capacity.workLeft(true, 0)
    expect(isHeld(capacity, 5)).toBe(false)
    capacity.workLeft(false, 1, { scheduledAt: now, details: {} })
    capacity.workAppeared()
    expect(isHeld(capacity, 5)).toBe(true)
  })
})

describe('pending work in the storage', () => {
  it('causes the signal `work` when the node learns of this work, and again whenever a permit may be free', () => {
    const capacity = capacityOf({ limit: 1 })
    capacity.offerRoom()
    expect(log).toEqual([])
    capacity.workAppeared()
    capacity.offerRoom()
    expect(log).toEqual(['work', 'work'])
    // A claim begins. Work that appears meanwhile may not be in its answer.
    capacity.hasUnreadWork = false
    capacity.workAppeared()
    capacity.workLeft(false, 0)
    capacity.offerRoom()
    expect([capacity.hasBacklog, log.length]).toEqual([false, 4])
    // A further claim begins, and no work appears meanwhile.
    capacity.hasUnreadWork = false
    capacity.workLeft(false, 0)
    capacity.offerRoom()
    expect([capacity.hasBacklog, log.length]).toEqual([false, 4])
  })
})
