import { rm } from 'node:fs/promises'
import { defineJob, type Job, type Schedule } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { type BackupTaskOptions, backupTasks, workFolder } from './backup-tasks.ts'
import { type Witness, witnessed } from './witness.ts'

export const jobName = 'nightly-backup'
export const taskNames = ['backup', 'compress', 'verify', 'rotate'] as const

/** Misfire threshold in ms: a slot that no node creates within this time is missed. */
export const misfireThresholdMs = 1000

/**
 * Returns the execution timeout for a backup of `bytes` bytes, in ms. The timeout is much longer than the backup takes, even
 * if a busy machine starts the first handlers slowly. Another node may take over a run after its execution timeout and 10 s
 * of grace. With this timeout, another node takes over the run of a dead node within 30 s. A real job would use `{ minutes:
 * 30 }`.
 */
export function executionTimeoutMs(bytes: number): number {
  return 7000 + Math.ceil(bytes / 2000)
}

/**
 * Returns a schedule with a slot each `seconds` seconds within a window. A real job would use `cron('0 2 * * *', {
 * timezone: 'Europe/Berlin' })`.
 */
export function backupSchedule(seconds: number, window: { readonly start?: Date; readonly end?: Date }): Schedule {
  return cron(cronExpression(seconds), { timezone: 'UTC', ...window })
}

/** Returns a cron expression with six fields, of which the first field means seconds. */
export function cronExpression(seconds: number): string {
  return `*/${seconds} * * * * *`
}

export interface BackupJobOptions extends BackupTaskOptions {
  readonly schedule: Schedule
  readonly witness: Witness
  readonly executionTimeoutMs: number
}

/** Defines the backup job that the workers run. */
export function backupJob(options: BackupJobOptions): Job {
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
    // A slot that is due while an earlier backup runs is queued.
    overlapPolicy: 'queue',
    // If the node of a run dies, the restarted node or another node tries the run again.
    onInterrupted: 'retry',
    executionTimeout: options.executionTimeoutMs,
    // The recovery runs all slots that were missed while no node lived.
    recoveryStrategy: 'execute_all',
    misfireThreshold: misfireThresholdMs,
    // The hook runs after every end of a run, so that a failed backup leaves no temporary files.
    onComplete: ({ scheduledAt }) => rm(workFolder(work, scheduledAt), { recursive: true, force: true }),
  })
}
