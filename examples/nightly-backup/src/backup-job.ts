import { rm } from 'node:fs/promises'
import { defineJob, type Job, type Schedule } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { type BackupTaskOptions, backupTasks, workFolder } from './backup-tasks.ts'
import { witnessed } from './witness.ts'

export const jobName = 'nightly-backup'
export const taskNames = ['backup', 'compress', 'verify', 'rotate'] as const

/** A slot that is noticed later than this counts as missed, and is made up. */
export const misfireThresholdMs = 1000

/** Every `seconds` seconds inside a window; a real one would be `cron('0 2 * * *', { timezone: 'Europe/Berlin' })`. */
export function backupSchedule(seconds: number, window: { readonly start?: Date; readonly end?: Date }): Schedule {
  return cron(cronExpression(seconds), { timezone: 'UTC', ...window })
}

/** Six fields: the first is the second. */
export function cronExpression(seconds: number): string {
  return `*/${seconds} * * * * *`
}

/** The job as the worker runs it. */
export function backupJob(options: BackupTaskOptions & { readonly schedule: Schedule; readonly witness: string }): Job {
  const { backup, compress, verify, rotate } = backupTasks(options)
  const { schedule, witness, work } = options
  return defineJob({
    name: jobName,
    schedule,
    tasks: [
      witnessed(witness, backup),
      witnessed(witness, compress),
      witnessed(witness, verify),
      witnessed(witness, rotate),
    ],
    // A slot that comes due while an earlier backup is running waits for its turn.
    overlapPolicy: 'queue',
    // When the worker dies, its next life takes up the occurrence where it was.
    onStale: 'retry',
    // Slots that no worker was alive for are made up, all of them.
    recoveryStrategy: 'execute_all',
    misfireThreshold: misfireThresholdMs,
    // Called whatever the outcome, so a failed backup leaves no scratch files either.
    onComplete: ({ scheduledAt }) => rm(workFolder(work, scheduledAt), { recursive: true, force: true }),
  })
}
