import type { RunView } from '../checker/run-view.ts'

/** The times from the kill of a process to the takeover of its runs as those of a dead node. */
export interface Takeovers {
  readonly count: number
  /** `null` without a takeover. */
  readonly medianMs: number | null
  readonly longestMs: number | null
}

/** Measures from the end of a process to the answer that another node took its occurrence over. */
export function takeoversOf(view: RunView): Takeovers {
  const owners = new Map(view.lines('granted').map((line) => [`${line.occurrence} ${line.token}`, line.life]))
  const times: number[] = []
  for (const { occurrence, token, reason, mono } of view.lines('reaped')) {
    const endedAt = view.endOfLife(owners.get(`${occurrence} ${token}`) ?? '')
    // Peers had declared it dead while it was stopped, before the driver killed it.
    if (reason === 'node_lost' && endedAt !== null && endedAt <= mono) times.push(mono - endedAt)
  }
  times.sort((one, other) => one - other)
  const middle = times[Math.floor(times.length / 2)] ?? null
  return { count: times.length, medianMs: middle, longestMs: times.at(-1) ?? null }
}
