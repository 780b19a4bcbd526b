import type { CreateAnswer, CreateRequested, OccurrenceRecord, ReusableKey } from '@jobistemer/core/storage'
import { isFinal } from '@jobistemer/core/storage'
import { Ledger, letOthersGo, type Mutant, mutant, mutantFor, racing } from './mutant.ts'

const kit = (name: string): string => `reusable keys: ${name}`
const live = kit('scope live: a run blocks its key until it has ended, and the next request creates another run')
const waiting = kit(
  'scope waiting: a run blocks its key until its first start, and a run that was handed back does not block it',
)

/** Faults in keys that can be used again. */
export const keyMutants: readonly Mutant[] = [
  mutant(
    'does not let a key name its run',
    [live, waiting, kit('two requests of one key in one call create one run')],
    class extends Ledger {
      override nameByKey() {}
    },
  ),
  mutant(
    'ignores the key of a request',
    [live, kit('a live run of a request without a scope blocks the key too, and one that has ended does not')],
    class extends Ledger {
      override blockingKey() {
        return undefined
      }
    },
  ),
  mutantFor(
    [kit('a live run of a request without a scope blocks the key too, and one that has ended does not')],
    'does not look at the run of a request without a scope',
    class extends Ledger {
      override blockingKey({ key }: CreateRequested) {
        const named = key === undefined ? undefined : this.namedByKey(key)
        return key !== undefined && named !== undefined && this.blocksKey(named, key) ? named : undefined
      }
    },
  ),
  mutant(
    'treats the scope waiting like live',
    [waiting],
    class extends Ledger {
      override blocksKey(record: OccurrenceRecord, key: ReusableKey) {
        return super.blocksKey(record, { ...key, scope: 'live' })
      }
    },
  ),
  mutant(
    'treats the scope live like waiting',
    [live],
    class extends Ledger {
      override blocksKey(record: OccurrenceRecord, key: ReusableKey) {
        return super.blocksKey(record, { ...key, scope: 'waiting' })
      }
    },
  ),
  mutantFor(
    [waiting],
    'takes a run that was handed back for one that waits',
    class extends Ledger {
      override blocksKey(record: OccurrenceRecord, key: ReusableKey) {
        return super.blocksKey(record.state === 'pending' ? { ...record, token: 0 } : record, key)
      }
    },
  ),
  mutant(
    'keeps a key until its run is pruned',
    [live],
    class extends Ledger {
      override blocksKey() {
        return true
      }
    },
  ),
  mutantFor(
    [kit('the prune of an earlier run leaves the key to the run that it names')],
    'frees the key of each run that it prunes',
    class extends Ledger {
      override freeKey({ details: { keyId } }: OccurrenceRecord) {
        if (keyId !== undefined) this.keys.delete(keyId)
      }
    },
  ),
  mutantFor(
    [kit('a key is free when the run that it names was pruned')],
    'never uses a key again whose run was pruned',
    class extends Ledger {
      readonly pruned = new Map<string, OccurrenceRecord>()

      override remove(record: OccurrenceRecord) {
        if (record.details.keyId !== undefined) this.pruned.set(record.details.keyId, record)
        super.remove(record)
      }

      override namedByKey(key: ReusableKey) {
        return super.namedByKey(key) ?? this.pruned.get(key.id)
      }

      override blocksKey(record: OccurrenceRecord, key: ReusableKey) {
        return super.blocksKey(record, key) || this.pruned.get(key.id) === record
      }
    },
  ),
  mutantFor(
    [kit('scope live: the key names the last of its runs, although an earlier one ends later')],
    'lets a key name the first of its runs that has not ended',
    class extends Ledger {
      override nameByKey(record: OccurrenceRecord) {
        const { keyId } = record.details
        const named = keyId === undefined ? undefined : this.occurrences.get(this.keys.get(keyId) ?? record.id)
        if (named === undefined || named.id === record.id || isFinal(named.state)) super.nameByKey(record)
      }
    },
  ),
  mutantFor(
    [kit('a request that is skipped does not take its key')],
    'lets a key name a request that is skipped',
    class extends Ledger {
      override nameByKey({ id, details: { keyId } }: OccurrenceRecord) {
        if (keyId !== undefined) this.keys.set(keyId, id)
      }
    },
  ),
  mutantFor(
    [kit('keys of two jobs are independent, and so are two keys of a job')],
    'has one key for each job',
    class extends Ledger {
      override blockingKey(item: CreateRequested) {
        const { key } = item
        const named = super.blockingKey(item)
        if (key === undefined || named !== undefined) return named
        return this.liveOf(item.jobId, 'pending').find(
          ({ details }) => details.keyId !== undefined && key.scope === 'live',
        )
      }
    },
  ),
  mutantFor(
    [kit('a key that blocks comes after the judgement of the job: a stale version is refused')],
    'looks at the key before the version',
    class extends Ledger {
      override createOne(...[item, owner, now]: Parameters<Ledger['createOne']>): CreateAnswer {
        const isRequest = item.kind === 'trigger' || item.kind === 'replay'
        const blocking = isRequest && !this.occurrences.has(item.id) ? this.blockingKey(item) : undefined
        if (blocking === undefined) return super.createOne(item, owner, now)
        return { ...this.answerExists(item, blocking), id: blocking.id } as CreateAnswer
      }
    },
  ),
  racing(
    'asks whether the key is free, then creates',
    ['races of connections: of many requests of one reusable key exactly one creates a run, in each round'],
    (ledger) => ({
      async createOccurrences({ now, owner, items }) {
        const answers: CreateAnswer[] = []
        for (const item of items) {
          const isRequest = item.kind === 'trigger' || item.kind === 'replay'
          const isFree = isRequest && item.key !== undefined && ledger.blockingKey(item) === undefined
          await letOthersGo()
          const head = ledger.jobs.get(item.jobId)
          const isBlind = isRequest && isFree && head !== undefined
          answers.push(isBlind ? ledger.createDue(item, head, owner, now) : ledger.createOne(item, owner, now))
        }
        return structuredClone(answers)
      },
    }),
  ),
]
