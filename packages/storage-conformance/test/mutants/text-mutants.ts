import type {
  HeartbeatRequest,
  JobQuery,
  JobRecord,
  JobVersionRecord,
  OccurrenceRecord,
  Owner,
} from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutant, mutantFor } from './mutant.ts'

const nulInOccurrence = 'texts: NUL is kept in every text of an occurrence'
const nulInReasons = 'texts: NUL is kept in the reasons of exclusions, missed slots, hand-backs, reaps and cancels'

function untilNul(text: string): string {
  return text.split('\u0000')[0] ?? ''
}

/** What a character set with three bytes for each character keeps. */
function withoutEmoji(text: string): string {
  return text.replaceAll(/[\u{10000}-\u{10ffff}]/gu, '?')
}

/** The same JSON with the members of each object in the order of their names: what `jsonb` and its like make of it. */
function sorted<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sorted) as T
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)])) as T
}

const memberOrder = 'jobs: JSON keeps the order of its members: definitions, schedules, data and results'

/** Faults of columns and collations: texts that are cut, or are equal to others. */
export const textMutants: readonly Mutant[] = [
  mutant(
    'sorts the members of what it stores of jobs',
    [memberOrder],
    class extends Ledger {
      override putHead(head: JobRecord) {
        super.putHead(sorted(head))
      }
    },
  ),
  mutant(
    'sorts the members of what it stores of versions',
    [memberOrder],
    class extends Ledger {
      override putVersion(version: JobVersionRecord) {
        super.putVersion(sorted(version))
      }
    },
  ),
  mutant(
    'sorts the members of what it stores of occurrences',
    [memberOrder],
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        super.put(sorted(record))
      }
    },
  ),
  mutantFor(
    ['texts: the list of an owner holds no job of another that is nearly equal'],
    'compares owners without regard to case',
    class extends Ledger {
      override listJobs({ owner, ...query }: JobQuery) {
        if (owner === undefined) return super.listJobs(query)
        const { items } = super.listJobs({ ...query, limit: Number.MAX_SAFE_INTEGER, cursor: null })
        return { items: items.filter((job) => job.owner?.toLowerCase() === owner.toLowerCase()), cursor: null }
      }
    },
  ),
  mutantFor(
    ['texts: a handler key is not left out of a claim for another that is nearly equal'],
    'compares the first 254 characters of handler keys',
    class extends Ledger {
      override claimable(exceptHandlerKeys: readonly string[]) {
        const cut = new Set(exceptHandlerKeys.map((key) => key.slice(0, 254)))
        return super.claimable([]).filter(({ jobId }) => {
          const key = this.jobs.get(jobId)?.handlerKey ?? ''
          return !cut.has(key.slice(0, 254))
        })
      }
    },
  ),
  mutantFor(
    ['texts: a node is not told of what runs on another that is nearly equal'],
    'compares the names of nodes without trailing spaces',
    class extends Ledger {
      override noticesFor({ node, incarnation }: Owner) {
        const names = new Set(this.allLive().map(({ owner }) => owner?.node ?? ''))
        return [...names]
          .filter((name) => name.trimEnd() === node.trimEnd())
          .flatMap((name) => super.noticesFor({ node: name, incarnation }))
      }
    },
  ),
  mutantFor(
    ['texts: a replace is not taken for repeated for a fingerprint that is nearly equal'],
    'compares fingerprints after it has normalized them',
    class extends Ledger {
      override replaceJob(...[head, change, ...rest]: Parameters<Ledger['replaceJob']>) {
        const isNearlyEqual = head.fingerprint.normalize('NFC') === change.content.fingerprint.normalize('NFC')
        const isRepeated = head.version === change.expectedVersion + 1 && isNearlyEqual
        if (!isRepeated || this.goesOn(head, change)) return super.replaceJob(head, change, ...rest)
        return { outcome: 'unchanged' as const, job: head }
      }
    },
  ),
  mutantFor(
    ['texts: jobs are not mixed up whose names are nearly equal'],
    'normalizes the names of jobs',
    class extends Ledger {
      override putHead(head: JobRecord) {
        super.putHead({ ...head, name: head.name.normalize('NFC') })
      }
    },
  ),
  mutantFor(
    [nulInReasons, nulInOccurrence],
    'ends reasons at the first NUL',
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        super.put({ ...record, reason: record.reason === null ? null : untilNul(record.reason) })
      }
    },
  ),
  mutantFor(
    [nulInOccurrence],
    'ends the names of tasks at the first NUL',
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        super.put({ ...record, runs: record.runs.map((run) => ({ ...run, task: untilNul(run.task) })) })
      }
    },
  ),
  mutantFor(
    ['texts: NUL is kept in every text of a job'],
    'ends the reason of a pause at the first NUL',
    class extends Ledger {
      override putHead(head: JobRecord) {
        const { paused } = head
        const reason = paused?.reason == null ? null : untilNul(paused.reason)
        super.putHead({ ...head, paused: paused === null ? null : { ...paused, reason } })
      }
    },
  ),
  mutantFor(
    [
      'texts: an emoji is kept in the reasons of exclusions, missed slots, hand-backs, reaps and cancels',
      'texts: an emoji is kept in every text of an occurrence',
    ],
    'keeps reasons in a character set without emoji',
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        super.put({ ...record, reason: record.reason === null ? null : withoutEmoji(record.reason) })
      }
    },
  ),
  mutantFor(
    ['texts: an emoji is kept in every text of a job'],
    'keeps the owners of jobs in a character set without emoji',
    class extends Ledger {
      override putHead(head: JobRecord) {
        super.putHead({ ...head, owner: head.owner === null ? null : withoutEmoji(head.owner) })
      }
    },
  ),
  mutant(
    'keeps the names of nodes in a character set without emoji',
    ['texts: an emoji is kept in every text of a node'],
    class extends Ledger {
      override heartbeat({ own, ...request }: HeartbeatRequest) {
        return super.heartbeat({ ...request, own: own === null ? null : { ...own, node: withoutEmoji(own.node) } })
      }
    },
  ),
]
