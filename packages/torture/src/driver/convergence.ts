import type { OccurrenceId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import type { Violation } from '../checker/violation.ts'
import { hostTime } from '../record/host-time.ts'
import { LineFollower } from '../record/line-file.ts'
import { readLive } from '../record/stored-ledger.ts'
import type { WitnessLine } from '../record/witness.ts'
import { jobNames } from '../workload/workload.ts'
import { sleep } from '../support/sleep.ts'

const lookEveryMs = 250

/**
 * Waits until all live occurrences have ended, and every job has run a slot that is due after `dueAfter`. After `limitMs`
 * without progress, returns a violation for each unfinished occurrence and job.
 */
export async function waitForRecovery(
  storage: Storage,
  options: { readonly witnessFile: string; readonly dueAfter: number; readonly limitMs: number },
): Promise<readonly Violation[]> {
  const left = new Map((await readLive(storage)).map((record) => [record.id, record.state as string]))
  const silent = new Set(jobNames)
  const witness = new LineFollower<WitnessLine>(options.witnessFile)
  const progress = new Progress(options.limitMs)
  while (left.size > 0 || silent.size > 0) {
    if (progress.hasStopped(left.size + silent.size)) break
    await sleep(lookEveryMs)
    const live = new Map((await readLive(storage)).map((record) => [record.id, record.state as string]))
    for (const id of left.keys()) {
      const state = live.get(id)
      if (state === undefined) left.delete(id)
      else left.set(id, state)
    }
    for (const line of witness.read()) {
      if (line.event === 'start' && line.kind === 'slot' && line.scheduledAt > options.dueAfter) silent.delete(line.job)
    }
  }
  const until = `after the faults, and no occurrence has ended for ${options.limitMs} ms`
  return [
    ...[...left].map(([occurrence, state]) => violation(occurrence, null, `it is still ${state} ${until}`)),
    ...[...silent].map((job) => violation(null, job, `no node ran a slot of it ${until}`)),
  ]
}

/**
 * Waits until no occurrence is live. After `limitMs` in which no occurrence ended, returns the live occurrences as
 * violations.
 */
export async function waitForRest(storage: Storage, limitMs: number): Promise<readonly Violation[]> {
  const progress = new Progress(limitMs)
  for (;;) {
    const live = await readLive(storage)
    if (live.length === 0) return []
    if (progress.hasStopped(live.length)) {
      return live.map(({ id, state }) =>
        violation(
          id,
          null,
          `it is still ${state} after the end of the schedules, and no occurrence has ended for ${limitMs} ms`,
        ),
      )
    }
    await sleep(lookEveryMs)
  }
}

/** Detects that the number of remaining items no longer falls. */
class Progress {
  readonly #limitMs: number
  #least = Number.POSITIVE_INFINITY
  #since = 0

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  /** Takes the number of remaining items. Returns true if the number has not reached a new minimum for `limitMs`. */
  hasStopped(left: number): boolean {
    const now = hostTime().mono
    if (left < this.#least) {
      this.#least = left
      this.#since = now
    }
    return now - this.#since > this.#limitMs
  }
}

function violation(occurrence: OccurrenceId | null, job: string | null, message: string): Violation {
  return { rule: 'convergence', job, occurrence, message }
}
