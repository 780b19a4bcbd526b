import { defineLayout, type Layout } from './layout.ts'

// These layouts are part of every user's data. A change has to raise the version of the form, see `stored-form.ts`.

const head = {
  // The first of the pending and running occurrences.
  active: 'id',
  running: 'uint32',
  pending: 'uint32',
  queued: 'uint32',
  // Occurrences of the present version.
  uses: 'uint32',
  watermark: 'number',
  nextAt: 'number',
  // Those of the pending ones that wait for their time.
  delayed: 'uint32',
  version: 'uint32',
  // Before all time when it is not paused, after it when it is to be resumed.
  pausedUntil: 'number',
  policy: 'byte',
  floor: 'number',
  // The latest slot beyond the watermark that has a record.
  taken: 'number',
  deletedAt: 'number',
  // 0 when there is nothing to cancel.
  cancelsBelow: 'uint32',
  // 0 without a start rate.
  startLimit: 'uint16',
  maxQueued: 'number',
  // 1 under the policies that have no other.
  maxConcurrency: 'uint16',
  startInterval: 'number',
  // How many starts lie behind, each a number; the latest last.
  startCount: 'uint16',
} as const

/**
 * The head of a job, which every step looks at. What changes with each occurrence is in front, so that the ordinary
 * steps rewrite only that. Behind it lie the last starts of a job with a start rate, and the handler key, where it is not
 * the job's own id.
 */
export const headLayout: Layout<keyof typeof head> = defineLayout(head)

/** A job allows fewer; beyond that they are no longer told apart. */
export const mostRescues = 2047

/** In one field with the rescues, which count in steps of so much, lies the priority: below 0 it is taken from this. */
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
  // Rescues and priority, see `rescueStep`. The details have the priority as well, but no script looks into them.
  standing: 'uint16',
  createdAt: 'number',
  startedAt: 'number',
  timeout: 'number',
} as const

/**
 * The record of an occurrence. Behind it lie five texts: owner, details, cancel request, reason, and runs. What changes
 * most often is in front, up to the size of the reason.
 */
export const recordLayout: Layout<keyof typeof record> = defineLayout(record)

/** When a job was made and when it was changed last. */
export const timesLayout: Layout<'createdAt' | 'changedAt'> = defineLayout({ createdAt: 'number', changedAt: 'number' })

/** A version of a job, in front of its fingerprint and its definition. */
export const versionLayout: Layout<'createdAt' | 'fingerprintSize'> = defineLayout({
  createdAt: 'number',
  fingerprintSize: 'uint32',
})

/** What a node says of itself, in front of the rest of it. */
export const nodeLayout: Layout<'counter'> = defineLayout({ counter: 'number' })

/** Added to the code of the kind if the details begin with the last slot of a span, as a number. */
export const spanBit = 8
