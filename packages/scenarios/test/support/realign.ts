import { JobistemerError, type JobOperations, type Realignment } from '@jobistemer/core'

interface RealignedJob extends Realignment {
  readonly name: string
  readonly nextAt: Date | null
}

/**
 * Realigns the named job. Without a name, realigns all stored jobs, and skips each job for which `update` throws
 * `JOB_NOT_FOUND`. Returns the jobs that were ahead.
 */
export async function realign(operations: JobOperations, name?: string): Promise<readonly RealignedJob[]> {
  const names = name === undefined ? (await operations.jobs()).items.map((job) => job.name) : [name]
  const realigned: RealignedJob[] = []
  for (const one of names) {
    try {
      const { nextAt, realigned: how } = await operations.update(one, {}, { realign: true })
      if (how !== undefined) realigned.push({ name: one, nextAt, ...how })
    } catch (error) {
      if (name !== undefined || !JobistemerError.isInstance(error, 'JOB_NOT_FOUND')) throw error
    }
  }
  return realigned
}
