import { defineLayout, type Layout } from './layout.ts'

// These layouts are part of every user's data. A change of a layout must raise `formVersion` in `check-server.ts`.

const head = {
  // Id of the first pending or running occurrence; zeros without such an occurrence.
  active: 'id',
  running: 'uint32',
  pending: 'uint32',
  queued: 'uint32',
  // Number of occurrences created under the present version.
  uses: 'uint32',
  watermark: 'number',
  nextAt: 'number',
  // Number of pending occurrences that are delayed, see core's `isDelayed`.
  delayed: 'uint32',
  version: 'uint32',
  // End of the pause: the number `never` for a pause without an end, and the number `always` if the job is not paused.
  pausedUntil: 'number',
  policy: 'byte',
  floor: 'number',
  // The latest slot after the watermark that has a record.
  taken: 'number',
  deletedAt: 'number',
  // The version below which an update has still to cancel waiting slots; 0 if no update has slots to cancel.
  cancelsBelow: 'uint32',
  // Maximum number of starts in an interval; 0 without a start rate.
  startLimit: 'uint16',
  maxQueued: 'number',
  // Maximum number of active occurrences; 1 under policies without `maxConcurrency`.
  maxConcurrency: 'uint16',
  startInterval: 'number',
  // Number of start instants that follow the head, the latest last.
  startCount: 'uint16',
} as const

/**
 * The head of a job, which every step reads. Fields that change with each occurrence come first, so that ordinary steps
 * rewrite only the front. The last starts of a job with a start rate follow, and then the handler key, if it is not the
 * job's id.
 */
export const headLayout: Layout<keyof typeof head> = defineLayout(head)

/** Maximum number of rescues that the record can count. A job allows fewer. */
export const mostRescues = 2047

/**
 * Factor of the rescues in `standing`, which is `rescues * 32 + priority`. A negative priority is stored as 32 plus the
 * priority.
 */
export const rescueStep = 32

const record = {
  state: 'byte',
  token: 'uint32',
  sequence: 'uint32',
  finishedAt: 'number',
  ownerSize: 'uint32',
  detailsSize: 'uint32',
  cancelSize: 'uint32',
  reasonSize: 'uint32',
  kind: 'byte',
  version: 'uint32',
  job: 'id',
  scheduledAt: 'number',
  dueAt: 'number',
  // Rescues and priority, see `rescueStep`. The details contain the priority too, but no script parses them.
  standing: 'uint16',
  createdAt: 'number',
  startedAt: 'number',
  timeout: 'number',
} as const

/**
 * The record of an occurrence. Five texts follow: owner, details, cancel request, reason, and task runs. The fields up
 * to the size of the reason change most often, so they come first.
 */
export const recordLayout: Layout<keyof typeof record> = defineLayout(record)

/** When a job was created, and when it was last changed. */
export const timesLayout: Layout<'createdAt' | 'changedAt'> = defineLayout({ createdAt: 'number', changedAt: 'number' })

/** The stored version of a job. The texts of its fingerprint and its definition follow these fields. */
export const versionLayout: Layout<'createdAt' | 'fingerprintSize'> = defineLayout({
  createdAt: 'number',
  fingerprintSize: 'uint32',
})

/** The counter of a node record. The rest of the record follows as JSON. */
export const nodeLayout: Layout<'counter'> = defineLayout({ counter: 'number' })

/** This bit is added to the code of an occurrence's kind if the details begin with the last slot of a span, as a number. */
export const spanBit = 8
