import { dayMs } from '../../tuning.ts'
import type { Clock, Timer } from '../../clock.ts'
import { type HeapEntry, IndexedHeap } from './indexed-heap.ts'
import { OwnContext } from './own-context.ts'

/** An action that the agenda calls after a delay, measured by the monotonic clock. */
export interface Alarm extends HeapEntry {
  ring(): void
}

/**
 * Schedules slots by wall time and alarms (timeouts, retries, polls) by monotonic time, with a single timer. All callbacks
 * run in the async context in which the agenda was created.
 */
export class Agenda<Slot extends SlotEntry> {
  readonly #clock: Clock
  readonly #wallNow: () => number
  readonly #onSlotsDue: () => void
  readonly #timerOptions: Parameters<Clock['setTimer']>[2]
  /**
   * The slots in two orders: all slots by instant, and due slots by instant minus `forwardMs`. In one level, both orders are the
   * same. So the first slot in either order is the first slot of one of the levels.
   */
  readonly #levels: Level<Slot>[] = []
  readonly #alarms = new IndexedHeap<Alarm>()
  readonly #context = new OwnContext()
  #timer: Timer | undefined
  /** Monotonic instant for which the timer is set; infinite: no timer is set. */
  #timerAt = Number.POSITIVE_INFINITY
  #running = false
  /** Whether the timer ignores slots until {@link slotsLaunched}: due slots are being launched, or the node has not started. */
  #slotsHeld = true
  /** Monotonic instant until which the timer ignores due slots that the launcher could not launch. */
  #slotsWaitUntil = Number.NEGATIVE_INFINITY

  /**
   * `holdsProcess` false: the timer does not keep the process alive. A client passes false: while a call of the client waits,
   * the timer of the call's timeout keeps the process alive.
   */
  constructor(options: { clock: Clock; wallNow: () => number; onSlotsDue: () => void; holdsProcess?: boolean }) {
    this.#clock = options.clock
    this.#timerOptions = options.holdsProcess === false ? { unref: true } : undefined
    this.#wallNow = options.wallNow
    this.#onSlotsDue = options.onSlotsDue
  }

  start(): void {
    this.#running = true
    this.#arm()
  }

  /** Cancels the timer. Until the agenda starts again, no alarm rings. Alarms and slots stay on the agenda. */
  stop(): void {
    this.#running = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  /** Adds a slot at an instant (epoch ms), or moves the slot to that instant. With `null`, removes the slot. */
  setSlot(slot: Slot, at: number | null): void {
    if (at === null) {
      this.#heapOf(slot).remove(slot)
      return
    }
    this.#heapOf(slot).update(slot, at)
    if (this.peekSlot() === slot) this.#arm()
  }

  /** Sets by how many milliseconds the agenda moves a slot forward in the order of due slots. */
  setForward(slot: Slot, forwardMs: number): void {
    if (slot.forwardMs === forwardMs) return
    const isThere = slot.heapIndex >= 0
    this.#heapOf(slot).remove(slot)
    slot.forwardMs = forwardMs
    if (isThere) this.#heapOf(slot).push(slot)
  }

  /** Returns the due slot whose instant minus its `forwardMs` is the lowest. `undefined`: no slot is due. */
  peekDueSlot(now: number): Slot | undefined {
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

  /** Returns the slot with the earliest instant, due or not. */
  peekSlot(): Slot | undefined {
    let earliest: Slot | undefined
    for (const { heap } of this.#levels) {
      const slot = heap.peek()
      if (slot !== undefined && (earliest === undefined || slot.at < earliest.at)) earliest = slot
    }
    return earliest
  }

  #heapOf({ forwardMs }: SlotEntry): IndexedHeap<Slot> {
    for (const level of this.#levels) if (level.forwardMs === forwardMs) return level.heap
    const heap = new IndexedHeap<Slot>()
    this.#levels.push({ forwardMs, heap })
    return heap
  }

  /** Sets the alarm to ring after `delayMs`, in place of an earlier delay. */
  setAlarm(alarm: Alarm, delayMs: number): void {
    this.#alarms.update(alarm, this.#clock.monotonic() + delayMs)
    if (alarm.at < this.#timerAt) this.#arm()
  }

  /** Sets an alarm, unless it is set to an earlier time. */
  advanceAlarm(alarm: Alarm, delayMs: number): void {
    if (alarm.heapIndex < 0 || alarm.at > this.#clock.monotonic() + delayMs) this.setAlarm(alarm, delayMs)
  }

  cancelAlarm(alarm: Alarm): void {
    this.#alarms.remove(alarm)
  }

  /**
   * Resolves with true when `ended` resolves, or with false after `delayMs`. If `ended` is `null`, resolves after `delayMs`.
   */
  endsWithin(ended: Promise<unknown> | null, delayMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const alarm = { at: 0, heapIndex: -1, ring: () => resolve(false) }
      this.setAlarm(alarm, delayMs)
      void ended?.then(() => {
        this.cancelAlarm(alarm)
        resolve(true)
      })
    })
  }

  /**
   * Called when the launcher has finished its round, so that the timer considers slots again. `waitMs`: if slots are still due,
   * the agenda reports them after this time at the earliest.
   */
  slotsLaunched(waitMs: number = 0): void {
    this.#slotsHeld = false
    this.#slotsWaitUntil = this.#clock.monotonic() + waitMs
    this.rearm()
  }

  /** Sets the timer again after a jump of `wallNow`, or after an alarm was canceled or postponed. */
  rearm(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#arm()
  }

  #arm(): void {
    if (!this.#running) return
    const monotonic = this.#clock.monotonic()
    let delay = dayMs
    const alarm = this.#alarms.peek()
    if (alarm !== undefined) delay = Math.min(delay, alarm.at - monotonic)
    const slot = this.peekSlot()
    if (slot !== undefined && !this.#slotsHeld) {
      delay = Math.min(delay, Math.max(slot.at - this.#wallNow(), this.#slotsWaitUntil - monotonic))
    }
    delay = Math.max(0, delay)
    const at = monotonic + delay
    // A timer for an earlier instant stays set: a timer that fires too early is harmless, and most alarms are canceled before
    // they ring.
    if (this.#timerAt <= at) return
    this.#timer?.cancel()
    this.#timerAt = at
    this.#timer = this.#clock.setTimer(Math.ceil(delay), this.#ring, this.#timerOptions)
  }

  readonly #ring = (): void => this.#context.run(this.#look)

  readonly #look = (): void => {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    const monotonic = this.#clock.monotonic()
    for (let alarm = this.#alarms.peek(); alarm !== undefined && alarm.at <= monotonic; alarm = this.#alarms.peek()) {
      this.#alarms.remove(alarm)
      alarm.ring()
    }
    const slot = this.peekSlot()
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
  /** Milliseconds by which the agenda moves this slot forward in the order of due slots, because of its priority. */
  forwardMs: number
}

/** The slots with one value of `forwardMs`. */
interface Level<Slot extends SlotEntry> {
  readonly forwardMs: number
  readonly heap: IndexedHeap<Slot>
}
