import { defineLayouts, type Layouts } from './layout.ts'

// What goes to the scripts, item by item, and what comes back. None of it is stored. A size is that of a text behind
// the fields; the texts lie in the order of their sizes.

const fields = {
  createRequest: { now: 'number', hasRequests: 'byte' },
  createItem: {
    kind: 'byte',
    isStartable: 'byte',
    // It has displaced some, and is to displace the rest.
    goesOn: 'byte',
    scheduledAt: 'number',
    version: 'uint32',
    // The next instant of its job; for slots only.
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
    // The owner for which an end takes the next occurrence; 0: it takes none.
    takerSize: 'uint32',
    // The owner that speaks; 0: the token alone decides.
    speakerSize: 'uint32',
  },
  /** In front of the ids of named occurrences, and of the place of a search that goes on. */
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
  /** In front of the texts in the order of their sizes, and of the changes of records. */
  stepCommit: {
    job: 'id',
    now: 'number',
    // The head need not be as it was.
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
  /** In front of a record as it was read and as it is to be. */
  recordChange: { id: 'id', beforeSize: 'uint32', afterSize: 'uint32' },
  claim: {
    now: 'number',
    // Rises with each call of an owner.
    number: 'number',
    limit: 'uint32',
    sweep: 'byte',
    isPeek: 'byte',
    // Calls with this number or a lower one take nothing any more.
    fences: 'byte',
    lastAt: 'number',
    lastId: 'id',
  },
  prune: { before: 'number', keep: 'number', limit: 'uint32' },
  paging: { limit: 'uint32', from: 'number', to: 'number', isDescending: 'byte', withRuns: 'byte' },
  listJobs: { limit: 'uint32', since: 'number', withDeleted: 'byte' },
  /** The place up to which a call has read due jobs. */
  duePlace: { nextAt: 'number', job: 'id' },
  /** State and token of an occurrence, as most answers give them. */
  state: { state: 'byte', token: 'uint32' },
  /** The same of one that is there already, with the schedule of its job. */
  exists: { state: 'byte', token: 'uint32', watermark: 'number', nextAt: 'number' },
  schedule: { watermark: 'number', nextAt: 'number' },
  address: { id: 'id', scheduledAt: 'number' },
  /** Behind the id, and the job where that is not known; in front of the request to cancel. */
  notice: { scheduledAt: 'number', token: 'uint32', cancelSize: 'uint32' },
  /** Up to where a claim has passed over others; `future` once it has been through all that is ready. */
  place: { kind: 'byte', order: 'number', id: 'id', job: 'id' },
  claimed: {
    more: 'byte',
    // It has ended by its own bounds, so that others are left to be looked at.
    stopped: 'byte',
    // What is claimed may wake others that may be claimed too.
    wakes: 'byte',
    nextDueAt: 'number',
  },
  /** What a claim has looked at. */
  seen: { order: 'number', id: 'id', isBlocked: 'byte' },
  /** In front of a record that was taken. All of them come as one text: for a client, each text is an object of its own. */
  taken: { id: 'id', recordSize: 'uint32' },
  counts: { pending: 'number', queued: 'number', running: 'number' },
} as const

export const layouts: Layouts<typeof fields> = defineLayouts(fields)

export const placeKinds = { none: 0, ready: 1, future: 2 } as const

/** In answers, in the place of the code of a state: there is no record. */
export const absentState = 255

export const itemKinds = { slot: 0, trigger: 1, replay: 2 } as const

/** Not 0, which stands for an item without a key. */
export const keyScopes = { waiting: 1, live: 2 } as const

export const settleChanges = { progress: 0, finish: 1, release: 2 } as const
