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
 * Waits until everything that is live now has come to its end, and a slot of every job that is due after `dueAfter` has been
 * run. Answers what did not happen within the limit.
 */
export async function waitForRecovery(
  storage: Storage,
  options: { readonly witnessFile: string; readonly dueAfter: number; readonly limitMs: number },
): Promise<readonly Violation[]> {
  const begin = hostTime().mono
  const left = new Map((await readLive(storage)).map((record) => [record.id, record.state as string]))
  const silent = new Set(jobNames)
  const witness = new LineFollower<WitnessLine>(options.witnessFile)
  while (left.size > 0 || silent.size > 0) {
    if (hostTime().mono - begin > options.limitMs) break
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
  const within = `within ${options.limitMs} ms after the faults`
  return [
    ...[...left].map(([occurrence, state]) =>
      violation(occurrence, null, `it is still ${state} and did not end ${within}`),
    ),
    ...[...silent].map((job) => violation(null, job, `no slot of it was run ${within}`)),
  ]
}

/** Waits until nothing is live. Answers what is, after the limit. */
export async function waitForRest(storage: Storage, limitMs: number): Promise<readonly Violation[]> {
  const begin = hostTime().mono
  for (;;) {
    const live = await readLive(storage)
    if (live.length === 0) return []
    if (hostTime().mono - begin > limitMs) {
      return live.map(({ id, state }) =>
        violation(id, null, `it is still ${state} ${limitMs} ms after the schedules have ended`),
      )
    }
    await sleep(lookEveryMs)
  }
}

function violation(occurrence: OccurrenceId | null, job: string | null, message: string): Violation {
  return { rule: 'convergence', job, occurrence, message }
}
