import type { OccurrenceRecord } from '@jobistemer/core/storage'
import { isFinal } from '@jobistemer/core/storage'
import { type Mutant, mutants } from './mutant.ts'

const all = 'failures: are what failed, went stale or completed with errors, and nothing else'
const order = 'failures: of all jobs come by their end, equal ones by id, in both orders, on pages of any size'
const ofJob = 'failures: can be narrowed to a job'
const range = 'failures: lie in a range of their end, its beginning included and its end excluded'
const pruned = 'failures: go when they are pruned, and stay when others are'
const moving = 'failures: that come while one pages neither hide nor double the rest'
const gone = 'failures: are listed behind a cursor whose occurrence was pruned'
const ofSeveral = 'latest: of several jobs stand in the order of the request, null for what has none'
const byTime = 'latest: are the last by their time, whichever ended last'
const wereRun =
  'latest: were run: what was skipped, missed or canceled before it began is passed over, and so is what lives'

/** Mutants with faults in the query for failures and in the query for the latest run. */
export const failureMutants: readonly Mutant[] = mutants({
  'keeps the ends of failures in whole seconds': {
    rejectedBy: [range],
    failedPage: (ledger, query) => {
      const wholeSeconds = (at: number | undefined) => (at === undefined ? {} : { at: at - (at % 1_000) })
      const [from, to] = [wholeSeconds(query.from).at, wholeSeconds(query.to).at]
      return ledger.failedPage({ ...query, ...(from !== undefined && { from }), ...(to !== undefined && { to }) })
    },
  },
  'leaves failures in their index when it prunes': {
    rejectedBy: [pruned],
    remove: (ledger, record) => {
      ledger.remove(record)
      if (ledger.isFailure(record)) ledger.failed.set(record.id, record)
    },
  },
  'forgets failures that a reaper has ended': {
    rejectedBy: [all],
    isFailure: (ledger, record) => ledger.isFailure(record) && record.state !== 'failed_stale',
  },
  'takes what completed with errors for a success': {
    rejectedBy: [all],
    isFailure: (ledger, record) => ledger.isFailure(record) && record.state !== 'completed_with_errors',
  },
  'takes what was canceled for a failure': {
    rejectedBy: [all],
    isFailure: (ledger, record) => ledger.isFailure(record) || record.state === 'canceled',
  },
  'finds failures in the order of their slots': {
    rejectedBy: [order, gone],
    failurePlace: (ledger, record) => ledger.failurePlace({ ...record, finishedAt: record.scheduledAt }),
  },
  'drops failures between pages: its cursor knows the instant only': {
    rejectedBy: [order],
    failurePlace: (ledger, record) => ledger.failurePlace(record).split(' ')[0] as string,
  },
  'finds failures twice: its cursor counts how many it has given': {
    rejectedBy: [moving],
    failedPage: (ledger, query) => {
      const given = Number(query.cursor ?? 0)
      const { items, cursor } = ledger.failedPage({ ...query, cursor: null, limit: given + query.limit })
      return { items: items.slice(given), cursor: cursor === null ? null : String(given + query.limit) }
    },
  },
  'ends at a cursor whose failure was pruned': {
    rejectedBy: [gone],
    failedPage: (ledger, query) => {
      const isThere = [...ledger.failed.values()].some((record) => ledger.failurePlace(record) === query.cursor)
      return query.cursor === null || isThere ? ledger.failedPage(query) : { items: [], cursor: null }
    },
  },
  'ignores the end of a range of failures': {
    rejectedBy: [range],
    failedPage: (ledger, { to, ...query }) => ledger.failedPage(query),
  },
  'looks for the beginning of a range of failures among their slots': {
    rejectedBy: [range],
    failedPage: (ledger, { from, ...query }) => {
      const page = ledger.failedPage(query)
      return { ...page, items: page.items.filter(({ scheduledAt }) => from === undefined || scheduledAt >= from) }
    },
  },
  'finds the failures of all jobs for one': {
    rejectedBy: [ofJob],
    failedPage: (ledger, { jobId, ...query }) => ledger.failedPage(query),
  },
  'says the latest of the first job for all': {
    rejectedBy: [ofSeveral],
    get: (ledger, request) => {
      const answer = ledger.get(request)
      return { ...answer, latest: answer.latest.map(() => answer.latest[0] ?? null) }
    },
  },
  'says what ended last to be the latest': {
    rejectedBy: [byTime],
    latestOf: (ledger, jobId) => {
      const ended = ledger.historyOf(jobId).filter((record) => ledger.wasRun(record))
      const last = ended.sort((left, right) => (left.finishedAt ?? 0) - (right.finishedAt ?? 0)).at(-1)
      return last === undefined ? null : { ...last, runs: [] }
    },
  },
  'takes what was skipped for the latest that was run': {
    rejectedBy: [wereRun],
    wasRun: (_, { state }) => isFinal(state),
  },
  'takes what runs for the latest that has ended': {
    rejectedBy: [wereRun],
    wasRun: (_, { token }) => token > 0,
  },
  'remembers the latest of a job beyond its prune': {
    rejectedBy: ['latest: go when they are pruned'],
    steps() {
      const known: Map<string, OccurrenceRecord> = new Map()
      return {
        latestOf: (ledger, jobId) => ledger.latestOf(jobId) ?? known.get(jobId) ?? null,
        put: (ledger, record) => {
          ledger.put(record)
          if (ledger.wasRun(record)) known.set(record.jobId, { ...record, runs: [] })
        },
      }
    },
  },
})
