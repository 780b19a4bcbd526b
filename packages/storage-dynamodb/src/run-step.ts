import type { JobId } from '@jobistemer/core'
import type { JobWrite, LedgerStep } from '@jobistemer/core/storage'
import { carryOut } from './carry-out.ts'
import { JobReading } from './job-reading.ts'
import { commitStep } from './step-commit.ts'
import { contended, type Table, untilDecided } from './table.ts'

/**
 * Reads what a step needs, lets the step decide, and commits. If another node has written the data meanwhile, repeats the read,
 * the decision and the commit. Steps of this storage on one job run one after the other. If these steps ran concurrently, all
 * but one step would fail, and DynamoDB would charge for each step.
 */
export async function runStep(table: Table, step: LedgerStep): Promise<void> {
  const id = step.jobs[0] as JobId
  const { stepsUnderWay } = table
  const earlier = stepsUnderWay.get(id)
  const own = decided(table, id, step, earlier)
  stepsUnderWay.set(id, own)
  try {
    await own
  } finally {
    if (stepsUnderWay.get(id) === own) stepsUnderWay.delete(id)
  }
}

async function decided(table: Table, id: JobId, step: LedgerStep, earlier: Promise<void> | undefined): Promise<void> {
  // The caller of the earlier step receives the error of that step, so this step ignores the error.
  await earlier?.catch(() => undefined)
  await untilDecided(table, id, async () => ((await attempt(table, id, step)) ? null : contended))
}

async function attempt(table: Table, id: JobId, step: LedgerStep): Promise<boolean> {
  const job = await JobReading.begin(table, id, step)
  if (job.head !== null && job.head.planParts > 0) {
    await carryOut(table, job.head)
    return false
  }
  for (const need of step.needs(job.heads())) await job.readLive(need)
  const [write] = step.decide(job.state())
  if (await job.haveAppeared(refused(step, job, write))) return false
  return write === undefined || (await commitStep(table, job, write, step))
}

/** Returns the occurrences that the step names, but that neither exist nor are created by the step. */
function refused({ occurrences }: LedgerStep, { records }: JobReading, write: JobWrite | undefined) {
  const created = new Set(write?.occurrences.map(({ after }) => after.id))
  return occurrences.filter(({ id }) => !records.has(id) && !created.has(id))
}
