import { buildsDiffer } from './checks/builds-differ.ts'
import { clockOffset } from './checks/clock-offset.ts'
import { definitionDiffers } from './checks/definition-differs.ts'
import { jobAhead } from './checks/job-ahead.ts'
import { jobFailing } from './checks/job-failing.ts'
import { jobLate } from './checks/job-late.ts'
import { jobPaused } from './checks/job-paused.ts'
import { jobSilent } from './checks/job-silent.ts'
import { jobUnreadable } from './checks/job-unreadable.ts'
import { jobWithoutCode } from './checks/job-without-code.ts'
import { longQueue } from './checks/long-queue.ts'
import { noNodeLives } from './checks/no-node-lives.ts'
import { nodeSilent } from './checks/node-silent.ts'
import { postgresKeeps } from './checks/postgres-keeps.ts'
import { postgresVacuums } from './checks/postgres-vacuums.ts'
import { postgresWakes } from './checks/postgres-wakes.ts'
import { postgresWrites } from './checks/postgres-writes.ts'
import { retentionBehind } from './checks/retention-behind.ts'
import { runStuck } from './checks/run-stuck.ts'
import { runUnreadable } from './checks/run-unreadable.ts'
import { runWaits } from './checks/run-waits.ts'
import { storageKeeps } from './checks/storage-keeps.ts'
import { storageWrites } from './checks/storage-writes.ts'
import { timeZonesDiffer } from './checks/time-zones-differ.ts'
import type { Finding } from './finding.ts'
import type { Survey } from './survey.ts'

/** A check of `doctor`. A check examines one aspect of the data that `doctor` has read, and returns its findings. */
export type Check = (survey: Survey) => Promise<readonly Finding[]>

/** Checks of a PostgreSQL server. They run even if the doctor cannot open the storage. */
export const postgresChecks: Readonly<
  Record<string, (survey: Pick<Survey, 'postgres'>) => Promise<readonly Finding[]>>
> = {
  'PostgreSQL takes writes': postgresWrites,
  'PostgreSQL keeps what it acknowledges': postgresKeeps,
  'PostgreSQL wakes nodes': postgresWakes,
  'PostgreSQL removes dead rows': postgresVacuums,
}

/** All checks of `doctor`. Their order determines the order of the findings. */
export const allChecks: Readonly<Record<string, Check>> = {
  'the storage can be written': storageWrites,
  'the storage keeps what it is given': storageKeeps,
  ...postgresChecks,
  'the clocks agree': clockOffset,
  'a node lives': noNodeLives,
  'all nodes give heartbeats': nodeSilent,
  'all nodes have one version': buildsDiffer,
  'all nodes have one version of time zone data': timeZonesDiffer,
  'all nodes define jobs as they are stored': definitionDiffers,
  'all jobs can be read': jobUnreadable,
  'all live runs can be read': runUnreadable,
  'a node has the code of each job': jobWithoutCode,
  'no job is ahead of the clocks': jobAhead,
  'no job is late': jobLate,
  'no run is stuck': runStuck,
  'no run waits for long': runWaits,
  'the queue is short': longQueue,
  'no job fails again and again': jobFailing,
  'no job is silent': jobSilent,
  'old history is removed': retentionBehind,
  'no job is paused': jobPaused,
}
