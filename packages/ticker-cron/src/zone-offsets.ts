/**
 * A span of time in which the offset of a zone is constant. All times are in seconds: instants since the epoch, offsets east of
 * UTC. The span may grow at both ends when more data of the zone are read.
 */
export interface OffsetSpan {
  /**
   * The first instant of the span; `-Infinity` for the first span of the zone. If older zone data were not read yet,
   * the span may begin earlier: `start` is then the first instant of the data that were read.
   */
  start: number
  /** The first instant after the span. */
  end: number
  readonly offset: number
  /** The offset before `start`. Equal to `offset` if no change at `start` is known. */
  offsetBefore: number
  /** The offset from `end` on. Equal to `offset` if no change at `end` is known. */
  offsetAfter: number
  /**
   * If an instant lies between `settledFrom` and `settledTo`, all offset changes within one day before and after this
   * instant are known.
   */
  settledFrom: number
  settledTo: number
  previous: OffsetSpan | undefined
  next: OffsetSpan | undefined
}

const secondsPerDay = 86_400

// Distance between two probes, in seconds. No zone has ever changed its offset twice within 3.9 days (the shortest:
// Africa/Freetown, September 1939), so probes 3 days apart miss no change.
const probeSeconds = 3 * secondsPerDay
const chunkSeconds = 122 * probeSeconds

// 1800-01-01. Zones then had local mean time; the first offset change of any zone was in 1835.
const beforeAllChanges = -5_364_662_400

/** The offsets of one time zone. Reads the runtime's time zone data only as far as callers need them. */
export class ZoneOffsets {
  readonly #offsetAt: (second: number) => number
  readonly #spans: OffsetSpan[] = []
  #from = 0
  #to = 0

  /** @param offsetAt returns the offset of an instant; a number for a zone whose offset never changes */
  constructor(offsetAt: ((second: number) => number) | number) {
    if (typeof offsetAt === 'function') {
      this.#offsetAt = offsetAt
      return
    }
    this.#offsetAt = () => offsetAt
    this.#from = Number.NEGATIVE_INFINITY
    this.#to = Number.POSITIVE_INFINITY
    this.#spans.push(newSpan(this.#from, this.#to, offsetAt))
  }

  /** Returns the span that contains an instant. All offset changes within three days of the instant are then known. */
  spanAt(second: number): OffsetSpan {
    if (this.#spans.length === 0) {
      const start = Math.floor(Math.max(second, beforeAllChanges) / chunkSeconds) * chunkSeconds
      this.#from = start
      this.#to = start
      this.extendForward()
    }
    while (second - probeSeconds < this.#from) this.extendBackward()
    while (second + probeSeconds >= this.#to) this.extendForward()
    let low = 0
    let high = this.#spans.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#spans[middle] as OffsetSpan).start <= second) low = middle
      else high = middle - 1
    }
    return this.#spans[low] as OffsetSpan
  }

  /** Reads the offsets of about one more year, after the latest known span. */
  extendForward(): void {
    const to = this.#to + chunkSeconds
    const read = this.#read(this.#to, to)
    this.#to = to
    const last = this.#spans.at(-1)
    const first = read[0] as OffsetSpan
    if (last !== undefined && last.offset === first.offset) {
      last.end = first.end
      last.offsetAfter = first.offsetAfter
      last.next = first.next
      if (first.next !== undefined) first.next.previous = last
      read.shift()
    } else if (last !== undefined) join(last, first)
    this.#spans.push(...read)
    this.#settle()
  }

  /** Reads the offsets of about one more year, before the earliest known span. */
  extendBackward(): void {
    const from = this.#from - chunkSeconds
    const read = this.#read(from, this.#from)
    // Before 1835 no zone changed its offset, so the first span has no start.
    this.#from = from < beforeAllChanges ? Number.NEGATIVE_INFINITY : from
    const first = this.#spans[0] as OffsetSpan
    const last = read.at(-1) as OffsetSpan
    if (last.offset === first.offset) {
      first.start = last.start
      first.offsetBefore = last.offsetBefore
      first.previous = last.previous
      if (last.previous !== undefined) last.previous.next = first
      read.pop()
    } else join(last, first)
    this.#spans.unshift(...read)
    ;(this.#spans[0] as OffsetSpan).start = this.#from
    this.#settle()
  }

  #read(from: number, to: number): OffsetSpan[] {
    const spans = [newSpan(from, to, this.#offsetAt(from))]
    for (let known = from; known < to; ) {
      const probe = Math.min(known + probeSeconds, to - 1)
      const current = spans.at(-1) as OffsetSpan
      const offset = this.#offsetAt(probe)
      if (offset !== current.offset) {
        const change = this.#findChange(known, probe, current.offset)
        const following = newSpan(change, to, this.#offsetAt(change))
        current.end = change
        join(current, following)
        spans.push(following)
      }
      known = probe + (probe === to - 1 ? 1 : 0)
    }
    return spans
  }

  /**
   * Returns the first instant after `known` with another offset. The offset at `known` is `offset`, and the offset at
   * `probe` differs from it.
   */
  #findChange(known: number, probe: number, offset: number): number {
    let low = known
    let high = probe
    while (high - low > 1) {
      const middle = low + Math.floor((high - low) / 2)
      if (this.#offsetAt(middle) === offset) low = middle
      else high = middle
    }
    return high
  }

  #settle(): void {
    const first = this.#spans[0] as OffsetSpan
    const last = this.#spans.at(-1) as OffsetSpan
    for (const span of this.#spans) {
      span.settledFrom = span === first ? span.start + probeSeconds : span.start
      span.settledTo = span === last ? span.end - probeSeconds : span.end
    }
  }
}

function newSpan(start: number, end: number, offset: number): OffsetSpan {
  return {
    start,
    end,
    offset,
    offsetBefore: offset,
    offsetAfter: offset,
    settledFrom: start,
    settledTo: end,
    previous: undefined,
    next: undefined,
  }
}

function join(earlier: OffsetSpan, later: OffsetSpan): void {
  earlier.next = later
  earlier.offsetAfter = later.offset
  later.previous = earlier
  later.offsetBefore = earlier.offset
}

/** A span that contains no instant. */
export const nowhere: OffsetSpan = newSpan(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0)

const zones = new Map<string, ZoneOffsets>()

/** Returns the offsets of a time zone. All schedules with this time zone share the object. */
export function zoneOffsets(timezone: string): ZoneOffsets {
  let zone = zones.get(timezone)
  if (zone !== undefined) return zone
  const format = new Intl.DateTimeFormat('en-US', { timeZone: timezone, timeZoneName: 'longOffset' })
  const canonical = format.resolvedOptions().timeZone
  zone = zones.get(canonical) ?? new ZoneOffsets(canonical === 'UTC' ? 0 : offsetReader(format))
  zones.set(canonical, zone)
  // Limits the cache. There are a few hundred canonical names, but upper and lower case allow very many other spellings.
  if (zones.size < 2000) zones.set(timezone, zone)
  return zone
}

function offsetReader(format: Intl.DateTimeFormat): (second: number) => number {
  return (second) => {
    // Examples of the text: '8/23/2026, GMT-04:00'; before standard time '8/23/1850, GMT-04:56:02'; without offset
    // '8/23/2026, GMT'.
    const text = format.format(second * 1000)
    const at = text.lastIndexOf('GMT') + 3
    if (at >= text.length) return 0
    const [hours = 0, minutes = 0, seconds = 0] = text
      .slice(at + 1)
      .split(':')
      .map(Number)
    const magnitude = hours * 3600 + minutes * 60 + seconds
    return text.charAt(at) === '+' ? magnitude : -magnitude
  }
}
