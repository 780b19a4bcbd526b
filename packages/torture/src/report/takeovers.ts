import type { RunView } from '../checker/run-view.ts'

/** How long it took until what killed processes ran was taken from them as from dead nodes. */
export interface Takeovers {
  readonly count: number
  /** `null` when there were none. */
  readonly medianMs: number | null
  readonly longestMs: number | null
}

/** From the end of a process to the answer that its occurrence was taken over. */
export function takeoversOf(view: RunView): Takeovers {
  const owners = new Map(view.lines('granted').map((line) => [`${line.occurrence} ${line.token}`, line.life]))
  const times: number[] = []
  for (const { occurrence, token, reason, mono } of view.lines('reaped')) {
    const endedAt = view.endOfLife(owners.get(`${occurrence} ${token}`) ?? '')
    // One that was only stopped was taken for dead before it was killed.
    if (reason === 'node_lost' && endedAt !== null && endedAt <= mono) times.push(mono - endedAt)
  }
  times.sort((one, other) => one - other)
  const middle = times[Math.floor(times.length / 2)] ?? null
  return { count: times.length, medianMs: middle, longestMs: times.at(-1) ?? null }
}
