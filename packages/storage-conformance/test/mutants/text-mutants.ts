import { type Mutant, mutants } from './mutant.ts'

const nulInOccurrence = 'texts: NUL is kept in every text of an occurrence'
const nulInReasons = 'texts: NUL is kept in the reasons of exclusions, missed slots, hand-backs, reaps and cancels'

function untilNul(text: string): string {
  return text.split('\u0000')[0] ?? ''
}

/** Replaces characters beyond U+FFFF, as a column with at most three bytes per character does. */
function withoutEmoji(text: string): string {
  return text.replaceAll(/[\u{10000}-\u{10ffff}]/gu, '?')
}

/** Sorts the members of each object in JSON by name, as `jsonb` does. */
function sorted<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sorted) as T
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)])) as T
}

const memberOrder = 'jobs: JSON keeps the order of its members: definitions, schedules, data and results'

/** Mutants that cut texts or regard different texts as equal, as a wrong column type or collation does. */
export const textMutants: readonly Mutant[] = mutants({
  'sorts the members of what it stores of jobs': {
    rejectedBy: [memberOrder],
    putHead: (ledger, head) => ledger.putHead(sorted(head)),
  },
  'sorts the members of what it stores of versions': {
    rejectedBy: [memberOrder],
    putVersion: (ledger, version) => ledger.putVersion(sorted(version)),
  },
  'sorts the members of what it stores of occurrences': {
    rejectedBy: [memberOrder],
    put: (ledger, record) => ledger.put(sorted(record)),
  },
  'compares owners without regard to case': {
    rejectedBy: ['texts: the list of an owner holds no job of another that is nearly equal'],
    alone: true,
    listJobs: (ledger, { owner, ...query }) => {
      if (owner === undefined) return ledger.listJobs(query)
      const { items } = ledger.listJobs({ ...query, limit: Number.MAX_SAFE_INTEGER, cursor: null })
      return { items: items.filter((job) => job.owner?.toLowerCase() === owner.toLowerCase()), cursor: null }
    },
  },
  'compares the first 254 characters of handler keys': {
    rejectedBy: ['texts: a handler key is not left out of a claim for another that is nearly equal'],
    alone: true,
    claimable: (ledger, exceptHandlerKeys) => {
      const cut = new Set(exceptHandlerKeys.map((key) => key.slice(0, 254)))
      return ledger.claimable([]).filter(({ jobId }) => {
        const key = ledger.jobs.get(jobId)?.handlerKey ?? ''
        return !cut.has(key.slice(0, 254))
      })
    },
  },
  'compares the names of nodes without trailing spaces': {
    rejectedBy: ['texts: a node is not told of what runs on another that is nearly equal'],
    alone: true,
    noticesFor: (ledger, { node, incarnation }) => {
      const names = new Set(ledger.allLive().map(({ owner }) => owner?.node ?? ''))
      return [...names]
        .filter((name) => name.trimEnd() === node.trimEnd())
        .flatMap((name) => ledger.noticesFor({ node: name, incarnation }))
    },
  },
  'compares fingerprints after it has normalized them': {
    rejectedBy: ['texts: a replace is not taken for repeated for a fingerprint that is nearly equal'],
    alone: true,
    replaceJob: (ledger, head, change, ...rest) => {
      const isNearlyEqual = head.fingerprint.normalize('NFC') === change.content.fingerprint.normalize('NFC')
      const isRepeated = head.version === change.expectedVersion + 1 && isNearlyEqual
      if (!isRepeated || ledger.goesOn(head, change)) return ledger.replaceJob(head, change, ...rest)
      return { outcome: 'unchanged' as const, job: head }
    },
  },
  'normalizes the names of jobs': {
    rejectedBy: ['texts: jobs are not mixed up whose names are nearly equal'],
    alone: true,
    putHead: (ledger, head) => ledger.putHead({ ...head, name: head.name.normalize('NFC') }),
  },
  'ends reasons at the first NUL': {
    rejectedBy: [nulInReasons, nulInOccurrence],
    alone: true,
    put: (ledger, record) => ledger.put({ ...record, reason: record.reason === null ? null : untilNul(record.reason) }),
  },
  'ends the names of tasks at the first NUL': {
    rejectedBy: [nulInOccurrence],
    alone: true,
    put: (ledger, record) =>
      ledger.put({ ...record, runs: record.runs.map((run) => ({ ...run, task: untilNul(run.task) })) }),
  },
  'ends the reason of a pause at the first NUL': {
    rejectedBy: ['texts: NUL is kept in every text of a job'],
    alone: true,
    putHead: (ledger, head) => {
      const { paused } = head
      const reason = paused?.reason == null ? null : untilNul(paused.reason)
      ledger.putHead({ ...head, paused: paused === null ? null : { ...paused, reason } })
    },
  },
  'keeps reasons in a character set without emoji': {
    rejectedBy: [
      'texts: an emoji is kept in the reasons of exclusions, missed slots, hand-backs, reaps and cancels',
      'texts: an emoji is kept in every text of an occurrence',
    ],
    alone: true,
    put: (ledger, record) =>
      ledger.put({ ...record, reason: record.reason === null ? null : withoutEmoji(record.reason) }),
  },
  'keeps the owners of jobs in a character set without emoji': {
    rejectedBy: ['texts: an emoji is kept in every text of a job'],
    alone: true,
    putHead: (ledger, head) =>
      ledger.putHead({ ...head, owner: head.owner === null ? null : withoutEmoji(head.owner) }),
  },
  'keeps the names of nodes in a character set without emoji': {
    rejectedBy: ['texts: an emoji is kept in every text of a node'],
    heartbeat: (ledger, { own, ...request }) =>
      ledger.heartbeat({ ...request, own: own === null ? null : { ...own, node: withoutEmoji(own.node) } }),
  },
})
