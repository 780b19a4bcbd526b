import type { Clock, Timer } from '../../clock.ts'
import { type HeapEntry, IndexedHeap } from './indexed-heap.ts'
import { OwnContext } from './own-context.ts'
import { priorityStepMs } from '../../storage/rules.ts'

/** An action that is due after a delay, by the monotonic clock. */
export interface Alarm extends HeapEntry {
  /** No caller waits for this alarm, so it does not keep the process of a client alive. Default false. */
  readonly isIdle?: boolean
  ring(): void
}

const unreferenced = { unref: true } as const

/** Milliseconds, one day: the delay of the timer when the agenda has no earlier entry. Clocks may use a shorter timer. */
const longestSleepMs = 86_400_000

/**
 * Schedules slots by wall time and alarms (timeouts, retries, polls) by monotonic time, with a single timer. All callbacks
 * run in the async context in which the agenda was created.
 */
export class Agenda<Slot extends SlotEntry> {
  readonly #clock: Clock
  readonly #wallNow: () => number
  readonly #onSlotsDue: () => void
  readonly #holdsProcess: boolean
  /** Number of set alarms that are not idle. Counted only if `holdsProcess` is false. */
  #awaited = 0
  readonly #slots = new SlotLevels<Slot>()
  readonly #alarms = new IndexedHeap<Alarm>()
  readonly #context = new OwnContext()
  #timer: Timer | undefined
  /** Monotonic instant for which the timer is set. */
  #timerAt = Number.POSITIVE_INFINITY
  #isTimerUnref = false
  #running = false
  /** Due slots are being launched, or the node has not started: the timer ignores slots until {@link slotsLaunched}. */
  #slotsHeld = true
  /**
   * Monotonic instant until which the timer ignores due slots, because the launcher could not launch them: the node lacks
   * permits, or it is held back.
   */
  #slotsWaitUntil = Number.NEGATIVE_INFINITY

  /** `holdsProcess` false: the timer keeps the process alive only while an alarm is set that is not idle. Default true. */
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

  /** Cancels the timer. No alarm rings until the agenda starts again; alarms and slots stay on it. */
  stop(): void {
    this.#running = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  get slotCount(): number {
    return this.#slots.size
  }

  /** Adds a slot at its instant (epoch ms), or moves it; `null` removes it. */
  setSlot(slot: Slot, at: number | null): void {
    if (at === null) {
      this.#slots.remove(slot)
      return
    }
    this.#slots.update(slot, at)
    if (this.#slots.peek() === slot) this.#arm()
  }

  /** Sets the priority of a slot, on the agenda or not. */
  setPriority(slot: Slot, priority: number): void {
    if (slot.priority === priority) return
    const isThere = slot.heapIndex >= 0
    this.#slots.remove(slot)
    slot.priority = priority
    if (isThere) this.#slots.update(slot, slot.at)
  }

  /** Returns the first due slot, in the order of waiting work: by instant and priority. */
  peekDueSlot(now: number): Slot | undefined {
    return this.#slots.peekDue(now)
  }

  /** Returns the earliest slot, due or not. */
  peekSlot(): Slot | undefined {
    return this.#slots.peek()
  }

  /** Instant of the earliest slot, in epoch ms; `null`: the agenda has no slot. */
  get nextSlotAt(): number | null {
    return this.#slots.peek()?.at ?? null
  }

  /** Sets the alarm to ring after `delayMs`. Replaces an earlier setting. */
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
   * The launcher has finished its round, so the timer considers slots again. `waitMs`: if slots are still due, the agenda
   * reports them after this time at the earliest.
   */
  slotsLaunched(waitMs: number = 0): void {
    this.#slotsHeld = false
    this.#slotsWaitUntil = this.#clock.monotonic() + waitMs
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#arm()
  }

  /** The result of `wallNow` has jumped, so slots may be due earlier than the timer rings. */
  wallTimeSet(): void {
    this.#arm()
  }

  /** Sets the timer anew. If an alarm was canceled or moved to a later instant, the timer no longer rings too early. */
  rearm(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#arm()
  }

  #count(alarm: Alarm, by: number): void {
    if (!this.#holdsProcess && alarm.isIdle !== true) this.#awaited += by
  }

  /** The timer keeps the process alive although no alarm needs it any more. */
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
    // A timer that rings too early is harmless, and most alarms are canceled before they ring. So keep it.
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

/** A slot on the agenda. */
export interface SlotEntry extends HeapEntry {
  /** The priority of the job, as for waiting occurrences. It may change only while the slot is in no heap. */
  priority: number
}

interface Level<Slot> {
  /** Milliseconds by which the priority of the level moves its slots forward among due slots. */
  readonly forwardMs: number
  readonly heap: IndexedHeap<Slot & SlotEntry>
}

/**
 * Slots in two orders. All slots are in order by instant. Among due slots, each level of priority moves a slot forward by
 * {@link priorityStepMs}. There is one heap per priority that has been used. The first slot of a heap is the first of its
 * priority in both orders. Without priorities there is a single heap.
 */
export class SlotLevels<Slot extends SlotEntry> {
  readonly #levels: Level<Slot>[] = []

  get size(): number {
    let size = 0
    for (const { heap } of this.#levels) size += heap.size
    return size
  }

  /** Returns the slot with the earliest instant. */
  peek(): Slot | undefined {
    let earliest: Slot | undefined
    for (const { heap } of this.#levels) {
      const slot = heap.peek()
      if (slot !== undefined && (earliest === undefined || slot.at < earliest.at)) earliest = slot
    }
    return earliest
  }

  /** Returns the first due slot by instant and priority. */
  peekDue(now: number): Slot | undefined {
    let first: Slot | undefined
    let firstOrder = Number.POSITIVE_INFINITY
    for (const { heap, forwardMs } of this.#levels) {
      const slot = heap.peek()
      if (slot === undefined || slot.at > now || slot.at - forwardMs >= firstOrder) continue
      first = slot
      firstOrder = slot.at - forwardMs
    }
    return first
  }

  /** Adds a slot at its instant, or moves it. */
  update(slot: Slot, at: number): void {
    this.#levelOf(slot).heap.update(slot, at)
  }

  remove(slot: Slot): void {
    this.#levelOf(slot).heap.remove(slot)
  }

  #levelOf({ priority }: SlotEntry): Level<Slot> {
    const forwardMs = priority * priorityStepMs
    for (const level of this.#levels) if (level.forwardMs === forwardMs) return level
    const level: Level<Slot> = { forwardMs, heap: new IndexedHeap() }
    this.#levels.push(level)
    return level
  }
}
