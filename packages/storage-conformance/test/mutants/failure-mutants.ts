import type { OccurrenceQuery, OccurrenceRecord } from '@jobistemer/core/storage'
import { isFinal } from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutant } from './mutant.ts'

type FailedQuery = Extract<OccurrenceQuery, { kind: 'failed' }>

const all = 'failures: are what failed, went stale or completed with errors, and nothing else'
const order = 'failures: of all jobs come by their end, equal ones by id, in both orders, on pages of any size'
const ofJob = 'failures: can be narrowed to a job'
const range = 'failures: lie in a range of their end, its beginning included and its end excluded'
const pruned = 'failures: go when they are pruned, and stay when others are'
const moving = 'failures: that come while one pages neither hide nor double the rest'
const gone = 'failures: are found from a cursor on though the one that it points at is gone'
const ofSeveral = 'latest: of several jobs stand in the order of the request, null for what has none'
const byTime = 'latest: are the last by their time, whichever ended last'
const wereRun =
  'latest: were run: what was skipped, missed or canceled before it began is passed over, and so is what lives'

/** Faults in finding what failed, and in how a job ended last. */
export const failureMutants: readonly Mutant[] = [
  mutant(
    'keeps the ends of failures in whole seconds',
    [range],
    class extends Ledger {
      override failedPage(query: FailedQuery) {
        const wholeSeconds = (at: number | undefined) => (at === undefined ? {} : { at: at - (at % 1_000) })
        const [from, to] = [wholeSeconds(query.from).at, wholeSeconds(query.to).at]
        return super.failedPage({ ...query, ...(from !== undefined && { from }), ...(to !== undefined && { to }) })
      }
    },
  ),
  mutant(
    'leaves failures in their index when it prunes',
    [pruned],
    class extends Ledger {
      override remove(record: OccurrenceRecord) {
        super.remove(record)
        if (this.isFailure(record)) this.failed.set(record.id, record)
      }
    },
  ),
  mutant(
    'forgets failures that a reaper has ended',
    [all],
    class extends Ledger {
      override isFailure(record: OccurrenceRecord) {
        return super.isFailure(record) && record.state !== 'failed_stale'
      }
    },
  ),
  mutant(
    'takes what completed with errors for a success',
    [all],
    class extends Ledger {
      override isFailure(record: OccurrenceRecord) {
        return super.isFailure(record) && record.state !== 'completed_with_errors'
      }
    },
  ),
  mutant(
    'takes what was canceled for a failure',
    [all],
    class extends Ledger {
      override isFailure(record: OccurrenceRecord) {
        return super.isFailure(record) || record.state === 'canceled'
      }
    },
  ),
  mutant(
    'finds failures in the order of their slots',
    [order, gone],
    class extends Ledger {
      override failurePlace(record: OccurrenceRecord) {
        return super.failurePlace({ ...record, finishedAt: record.scheduledAt })
      }
    },
  ),
  mutant(
    'drops failures between pages: its cursor knows the instant only',
    [order],
    class extends Ledger {
      override failurePlace(record: OccurrenceRecord) {
        return super.failurePlace(record).split(' ')[0] as string
      }
    },
  ),
  mutant(
    'finds failures twice: its cursor counts how many it has given',
    [moving],
    class extends Ledger {
      override failedPage(query: FailedQuery) {
        const given = Number(query.cursor ?? 0)
        const { items, cursor } = super.failedPage({ ...query, cursor: null, limit: given + query.limit })
        return { items: items.slice(given), cursor: cursor === null ? null : String(given + query.limit) }
      }
    },
  ),
  mutant(
    'ends where the failure that a cursor points at is gone',
    [gone],
    class extends Ledger {
      override failedPage(query: FailedQuery) {
        const isThere = [...this.failed.values()].some((record) => this.failurePlace(record) === query.cursor)
        return query.cursor === null || isThere ? super.failedPage(query) : { items: [], cursor: null }
      }
    },
  ),
  mutant(
    'ignores the end of a range of failures',
    [range],
    class extends Ledger {
      override failedPage({ to, ...query }: FailedQuery) {
        return super.failedPage(query)
      }
    },
  ),
  mutant(
    'looks for the beginning of a range of failures among their slots',
    [range],
    class extends Ledger {
      override failedPage({ from, ...query }: FailedQuery) {
        const page = super.failedPage(query)
        return { ...page, items: page.items.filter(({ scheduledAt }) => from === undefined || scheduledAt >= from) }
      }
    },
  ),
  mutant(
    'finds the failures of all jobs for one',
    [ofJob],
    class extends Ledger {
      override failedPage({ jobId, ...query }: FailedQuery) {
        return super.failedPage(query)
      }
    },
  ),
  mutant(
    'says the latest of the first job for all',
    [ofSeveral],
    class extends Ledger {
      override get(request: Parameters<Ledger['get']>[0]) {
        const answer = super.get(request)
        return { ...answer, latest: answer.latest.map(() => answer.latest[0] ?? null) }
      }
    },
  ),
  mutant(
    'says what ended last to be the latest',
    [byTime],
    class extends Ledger {
      override latestOf(...[jobId]: Parameters<Ledger['latestOf']>) {
        const ended = this.historyOf(jobId).filter((record) => this.wasRun(record))
        const last = ended.sort((left, right) => (left.finishedAt ?? 0) - (right.finishedAt ?? 0)).at(-1)
        return last === undefined ? null : { ...last, runs: [] }
      }
    },
  ),
  mutant(
    'takes what was skipped for the latest that was run',
    [wereRun],
    class extends Ledger {
      override wasRun({ state }: OccurrenceRecord) {
        return isFinal(state)
      }
    },
  ),
  mutant(
    'takes what runs for the latest that has ended',
    [wereRun],
    class extends Ledger {
      override wasRun({ token }: OccurrenceRecord) {
        return token > 0
      }
    },
  ),
  mutant(
    'remembers the latest of a job beyond its prune',
    ['latest: go when they are pruned'],
    class extends Ledger {
      readonly known: Map<string, OccurrenceRecord> = new Map()

      override latestOf(...[jobId]: Parameters<Ledger['latestOf']>) {
        return super.latestOf(jobId) ?? this.known.get(jobId) ?? null
      }

      override put(record: OccurrenceRecord) {
        super.put(record)
        if (this.wasRun(record)) this.known.set(record.jobId, { ...record, runs: [] })
      }
    },
  ),
]
