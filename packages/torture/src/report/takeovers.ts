import type { RunView } from '../checker/run-view.ts'

/**
 * Times, in ms, from the end of a killed process until another node took over its runs. Counts only takeovers by a node
 * that had declared the process's node dead.
 */
export interface Takeovers {
  readonly count: number
  /** Median time of the takeovers, in ms; `null` without a takeover. */
  readonly medianMs: number | null
  readonly longestMs: number | null
}

/** Measures the time from the end of each killed process to the storage's answer to the takeover of its run. */
export function takeoversOf(view: RunView): Takeovers {
  const owners = new Map(view.lines('granted').map((line) => [`${line.occurrence} ${line.token}`, line.life]))
  const times: number[] = []
  for (const { occurrence, token, reason, mono } of view.lines('reaped')) {
    const endedAt = view.endOfLife(owners.get(`${occurrence} ${token}`) ?? '')
    // Peers may declare a stopped process dead, and take over its runs, before the driver kills it. The figure leaves out these
    // takeovers.
    if (reason === 'node_lost' && endedAt !== null && endedAt <= mono) times.push(mono - endedAt)
  }
  times.sort((one, other) => one - other)
  const middle = times[Math.floor(times.length / 2)] ?? null
  return { count: times.length, medianMs: middle, longestMs: times.at(-1) ?? null }
}
