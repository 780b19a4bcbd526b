import { defineLayout, defineLayouts, type Layout, type Layouts } from './layout.ts'

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
  // The latest slot that is later than the watermark and has a record.
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
  // Rescues and priority in one number, see `rescueStep`.
  standing: 'uint16',
  createdAt: 'number',
  startedAt: 'number',
  timeout: 'number',
} as const

/**
 * The record of an occurrence. The fields that change most often come first. Five texts follow: owner, details, cancel request,
 * reason, and task runs.
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

/**
 * If a record stands for several missed slots, this number is added to the code of its kind. The details then begin
 * with the last of these slots, as a number.
 */
export const spanBit = 8

// Layouts of the items in requests to the scripts, and of the scripts' answers. Neither requests nor answers are
// stored. Each `…Size` field is the size of a text after the fields; the texts have the order of their sizes.

const fields = {
  createRequest: { now: 'number', hasRequests: 'byte' },
  createItem: {
    kind: 'byte',
    isStartable: 'byte',
    // 1 if this item displaces occurrences, and an earlier call has canceled only a part of these occurrences.
    goesOn: 'byte',
    scheduledAt: 'number',
    version: 'uint32',
    // The next instant of the job after this slot; 0 for a trigger or replay.
    expected: 'number',
    deadline: 'number',
    recordSize: 'uint32',
  },
  settleItem: {
    token: 'uint32',
    sequence: 'uint32',
    change: 'byte',
    finalState: 'byte',
    dueAt: 'number',
    reasonSize: 'uint32',
    runsSize: 'uint32',
    // Size of the text of the owner that takes the next occurrence when the settled occurrence ends; 0 if the end takes
    // no occurrence.
    takerSize: 'uint32',
    // Size of the text of the expected owner of the settled occurrence; 0 if the token alone decides whether the call
    // is accepted.
    speakerSize: 'uint32',
  },
  /**
   * A request to read the data of a step: these fields, then the ids of the occurrences that the step names, then one
   * text. The text says after which occurrence the search for superseded occurrences continues.
   */
  stepRead: {
    job: 'id',
    isWhole: 'byte',
    named: 'uint32',
    pendingNeeded: 'uint32',
    queuedNeeded: 'uint32',
    superseded: 'uint32',
    cancelsBelow: 'uint32',
    placeSize: 'uint32',
  },
  /** These fields precede the texts and the changed records. The texts have the order of their size fields. */
  stepCommit: {
    job: 'id',
    now: 'number',
    // 1 if the script may commit the step even if another step has changed the head since the read.
    isFree: 'byte',
    beforeSize: 'uint32',
    afterSize: 'uint32',
    contentSize: 'uint32',
    ownerSize: 'uint32',
    lineageSize: 'uint32',
    pausedSize: 'uint32',
    timesSize: 'uint32',
    versionSize: 'uint32',
    recordCount: 'uint32',
  },
  /** Two texts follow: an occurrence's record as the step read it, and the changed record. */
  recordChange: { id: 'id', beforeSize: 'uint32', afterSize: 'uint32' },
  claim: {
    now: 'number',
    // The number of the claim. Each new number of an owner is greater than all its earlier numbers.
    number: 'number',
    limit: 'uint32',
    sweep: 'byte',
    isPeek: 'byte',
    // 1 if calls of this owner with this or a lower `number` must claim nothing from now on.
    fences: 'byte',
    lastAt: 'number',
    lastId: 'id',
  },
  prune: { before: 'number', keep: 'number', limit: 'uint32' },
  /**
   * How far a prune has come in a job: the number of occurrences that it has passed over, and the maximum number of ended
   * occurrences that it may still remove or pass over. The id of the job before this job follows, unless the job is the
   * first one.
   */
  prunePlace: { passed: 'uint32', spare: 'number' },
  paging: { limit: 'uint32', from: 'number', to: 'number', isDescending: 'byte', withRuns: 'byte' },
  listJobs: { limit: 'uint32', since: 'number', withDeleted: 'byte' },
  /** The next instant and the id of the last due job that a call has read. */
  duePlace: { nextAt: 'number', job: 'id' },
  /** State and token of an occurrence, as in most answers. */
  state: { state: 'byte', token: 'uint32' },
  /** State and token of an occurrence that already existed, and the watermark and next instant of its job. */
  exists: { state: 'byte', token: 'uint32', watermark: 'number', nextAt: 'number' },
  schedule: { watermark: 'number', nextAt: 'number' },
  address: { id: 'id', scheduledAt: 'number' },
  /**
   * A running occurrence with a cancel request. Before these fields come the occurrence's id and, if the reader does
   * not know the job, the job's id. The text of the cancel request follows.
   */
  notice: { scheduledAt: 'number', token: 'uint32', cancelSize: 'uint32' },
  /**
   * The last occurrence that a claim has passed over. `kind` names the set of this occurrence: `ready`, or `future` for delayed
   * occurrences. A claim reads the set `future` only after it has read the whole set `ready`.
   */
  place: { kind: 'byte', order: 'number', id: 'id', job: 'id' },
  claimed: {
    more: 'byte',
    // 1 if the call reached its limits, so further due occurrences may exist.
    stopped: 'byte',
    // 1 if a claim that takes the found occurrences may also wake queued occurrences, and take these too.
    wakes: 'byte',
    nextDueAt: 'number',
  },
  /** A due occurrence that a claim in the mode `peek` has found. */
  seen: { order: 'number', id: 'id', isBlocked: 'byte' },
  /** These fields precede a claimed record. All records form one text, because the client creates an object for each text. */
  taken: { id: 'id', recordSize: 'uint32' },
  counts: { pending: 'number', queued: 'number', running: 'number' },
} as const

export const layouts: Layouts<typeof fields> = defineLayouts(fields)

export const placeKinds = { none: 0, ready: 1, future: 2 } as const

/** Replaces the state code in answers about an occurrence that has no record. */
export const absentState = 255

export const itemKinds = { slot: 0, trigger: 1, replay: 2 } as const

/** Codes of key scopes. 0 stands for an item without a key. */
export const keyScopes = { waiting: 1, live: 2 } as const

export const settleChanges = { progress: 0, finish: 1, release: 2 } as const
