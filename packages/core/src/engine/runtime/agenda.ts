import type { Clock, Timer } from '../../clock.ts'
import { type HeapEntry, IndexedHeap } from './indexed-heap.ts'
import { OwnContext } from './own-context.ts'
import { type SlotEntry, SlotLevels } from './slot-levels.ts'

/** Something to be done once a length of time has passed. */
export interface Alarm extends HeapEntry {
  /** Nobody waits for it: by itself it keeps no process of a client alive. Default false. */
  readonly isIdle?: boolean
  ring(): void
}

const unreferenced = { unref: true } as const

/** Milliseconds, one day: the delay of the timer when the agenda has no earlier entry. Clocks cut it as they must. */
const longestSleepMs = 86_400_000

/**
 * What is to happen when: entries due by wall time (slots) and alarms by monotonic time (timeouts, retries, polls),
 * behind one timer. All of them ring in the context that it was made in.
 */
export class Agenda<Slot extends SlotEntry> {
  readonly #clock: Clock
  readonly #wallNow: () => number
  readonly #onSlotsDue: () => void
  readonly #holdsProcess: boolean
  /** Alarms that somebody waits for. Counted only where it matters. */
  #awaited = 0
  readonly #slots = new SlotLevels<Slot>()
  readonly #alarms = new IndexedHeap<Alarm>()
  readonly #context = new OwnContext()
  #timer: Timer | undefined
  /** Monotonic instant for which the timer is set. */
  #timerAt = Number.POSITIVE_INFINITY
  #isTimerUnref = false
  #running = false
  /** Before the first, and while due slots are being launched: the timer does not wait for slots until that is done. */
  #slotsHeld = true
  /** Monotonic instant before which due slots are left alone: they wait for something else than time. */
  #slotsWaitUntil = Number.NEGATIVE_INFINITY

  /** `holdsProcess` false: its timer keeps the process alive only as long as somebody waits for an alarm. Default true. */
  constructor(options: { clock: Clock; wallNow: () => number; onSlotsDue: () => void; holdsProcess?: boolean }) {
    this.#clock = options.clock
    this.#holdsProcess = options.holdsProcess ?? true
    this.#wallNow = options.wallNow
    this.#onSlotsDue = options.onSlotsDue
  }

  start(): void {
    this.#running = true
    this.#arm()
  }

  /** Rings nothing more, and holds no timer. */
  stop(): void {
    this.#running = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  get slotCount(): number {
    return this.#slots.size
  }

  /** Puts a slot at its instant, moving it when it is there already; `null` takes it out. */
  setSlot(slot: Slot, at: number | null): void {
    if (at === null) {
      this.#slots.remove(slot)
      return
    }
    this.#slots.update(slot, at)
    if (this.#slots.peek() === slot) this.#arm()
  }

  /** Gives a slot another priority, wherever it is. */
  setPriority(slot: Slot, priority: number): void {
    if (slot.priority === priority) return
    const isThere = slot.heapIndex >= 0
    this.#slots.remove(slot)
    slot.priority = priority
    if (isThere) this.#slots.update(slot, slot.at)
  }

  /** Of the slots that are due the first, by priority too. */
  peekDueSlot(now: number): Slot | undefined {
    return this.#slots.peekDue(now)
  }

  /** The earliest slot. */
  peekSlot(): Slot | undefined {
    return this.#slots.peek()
  }

  /** When the earliest slot is due; `null` when there is none. */
  get nextSlotAt(): number | null {
    return this.#slots.peek()?.at ?? null
  }

  /** Rings the alarm after a delay, moving it when it is set already. */
  setAlarm(alarm: Alarm, delayMs: number): void {
    if (alarm.heapIndex < 0) this.#count(alarm, 1)
    this.#alarms.update(alarm, this.#clock.monotonic() + delayMs)
    if (alarm.at < this.#timerAt || (this.#isTimerUnref && this.#awaited > 0)) this.#arm()
  }

  cancelAlarm(alarm: Alarm): void {
    if (alarm.heapIndex >= 0) this.#count(alarm, -1)
    this.#alarms.remove(alarm)
    if (this.#isTimerHeldInVain) this.#arm()
  }

  /**
   * The due slots have been launched, or there is nothing to do before: wait for the next. With `waitMs`, those that are
   * due and left wait so long.
   */
  slotsLaunched(waitMs: number = 0): void {
    this.#slotsHeld = false
    this.#slotsWaitUntil = this.#clock.monotonic() + waitMs
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#arm()
  }

  /** What `wallNow` says has moved otherwise than time passes: slots may be due sooner than the timer rings. */
  wallTimeSet(): void {
    this.#arm()
  }

  /** Moves the timer to a later instant, if it is set for an alarm that has moved: the process wakes less often. */
  rearm(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#arm()
  }

  #count(alarm: Alarm, by: number): void {
    if (!this.#holdsProcess && alarm.isIdle !== true) this.#awaited += by
  }

  /** The timer keeps the process alive, and what it was set for is canceled. */
  get #isTimerHeldInVain(): boolean {
    return !this.#holdsProcess && this.#awaited === 0 && this.#timer !== undefined && !this.#isTimerUnref
  }

  #arm(): void {
    if (!this.#running) return
    const monotonic = this.#clock.monotonic()
    let delay = longestSleepMs
    const alarm = this.#alarms.peek()
    if (alarm !== undefined) delay = Math.min(delay, alarm.at - monotonic)
    const slot = this.#slots.peek()
    if (slot !== undefined && !this.#slotsHeld) {
      delay = Math.min(delay, Math.max(slot.at - this.#wallNow(), this.#slotsWaitUntil - monotonic))
    }
    delay = Math.max(0, delay)
    const at = monotonic + delay
    const unref = !this.#holdsProcess && this.#awaited === 0
    // A timer that rings too early only looks again; most alarms are cancelled before they ring.
    if (this.#timerAt <= at && unref === this.#isTimerUnref) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#isTimerUnref = unref
    this.#timer = this.#clock.setTimer(Math.ceil(delay), this.#ring, unref ? unreferenced : undefined)
  }

  readonly #ring = (): void => this.#context.run(this.#look)

  readonly #look = (): void => {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    const monotonic = this.#clock.monotonic()
    for (let alarm = this.#alarms.peek(); alarm !== undefined && alarm.at <= monotonic; alarm = this.#alarms.peek()) {
      this.#count(alarm, -1)
      this.#alarms.remove(alarm)
      alarm.ring()
    }
    const slot = this.#slots.peek()
    const isWaiting = this.#slotsHeld || monotonic < this.#slotsWaitUntil
    if (slot !== undefined && slot.at <= this.#wallNow() && !isWaiting) {
      this.#slotsHeld = true
      this.#onSlotsDue()
    }
    this.#arm()
  }
}
