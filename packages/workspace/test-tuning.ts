const unitMs = { hours: 3_600_000, minutes: 60_000, seconds: 1000 }

/** A duration as milliseconds, or as an object of units. */
type Length = number | { readonly [Unit in keyof typeof unitMs]?: number }

/** Internal settings of a scheduler, for which no option exists. */
export interface Tuning {
  /** Interval between the heartbeats of a node. */
  readonly heartbeat?: Length
  /** Difference between the clocks of node and storage beyond which the node logs a warning. */
  readonly maxClockSkew?: Length
  /** Maximum number of data jobs that a node holds in memory. */
  readonly heldJobs?: number
  /** Interval between the scans for occurrences past their deadline. */
  readonly reapInterval?: Length
  /** Interval between checks for definitions that other nodes have changed. */
  readonly definitionInterval?: Length
  /** Time after which other nodes launch a slot that its assigned node has not launched. */
  readonly standby?: Length
}

/** Returns options of a scheduler that set internal values. Their names are symbols, which are not part of the API. */
export function tuned(tuning: Tuning): object {
  const values = Object.entries(tuning).map(([name, value]: [string, Length]) => {
    const { hours = 0, minutes = 0, seconds = 0 } = typeof value === 'number' ? {} : value
    const length = hours * unitMs.hours + minutes * unitMs.minutes + seconds * unitMs.seconds
    return [Symbol.for(`jobistemer.${name}`), typeof value === 'number' ? value : length]
  })
  return Object.fromEntries(values)
}
