import type { CreateAnswer, OccurrenceRecord } from '@jobistemer/core/storage'
import { isFinal } from '@jobistemer/core/storage'
import { letOthersGo, type Mutant, mutants } from './mutant.ts'

const kit = (name: string): string => `reusable keys: ${name}`
const live = kit('scope live: a run blocks its key until it has ended, and the next request creates another run')
const waiting = kit(
  'scope waiting: a run blocks its key until its first start, and a run that was handed back does not block it',
)

/** Mutants with faults in the steps that block or free reusable keys. */
export const keyMutants: readonly Mutant[] = mutants({
  'does not let a key name its run': {
    rejectedBy: [live, waiting, kit('two requests of one key in one call create one run')],
    nameByKey: () => {},
  },
  'ignores the key of a request': {
    rejectedBy: [
      live,
      kit('a live run of a request without a scope blocks the key too, and one that has ended does not'),
    ],
    blockingKey: () => undefined,
  },
  'does not look at the run of a request without a scope': {
    rejectedBy: [kit('a live run of a request without a scope blocks the key too, and one that has ended does not')],
    alone: true,
    blockingKey: (ledger, { key }) => {
      const named = key === undefined ? undefined : ledger.namedByKey(key)
      return key !== undefined && named !== undefined && ledger.blocksKey(named, key) ? named : undefined
    },
  },
  'treats the scope waiting like live': {
    rejectedBy: [waiting],
    blocksKey: (ledger, record, key) => ledger.blocksKey(record, { ...key, scope: 'live' }),
  },
  'treats the scope live like waiting': {
    rejectedBy: [live],
    blocksKey: (ledger, record, key) => ledger.blocksKey(record, { ...key, scope: 'waiting' }),
  },
  'takes a run that was handed back for one that waits': {
    rejectedBy: [waiting],
    alone: true,
    blocksKey: (ledger, record, key) =>
      ledger.blocksKey(record.state === 'pending' ? { ...record, token: 0 } : record, key),
  },
  'keeps a key until its run is pruned': {
    rejectedBy: [live],
    blocksKey: () => true,
  },
  'frees the key of each run that it prunes': {
    rejectedBy: [kit('the prune of an earlier run leaves the key to the run that it names')],
    alone: true,
    freeKey: (ledger, { details: { keyId } }) => {
      if (keyId !== undefined) ledger.keys.delete(keyId)
    },
  },
  'never uses a key again whose run was pruned': {
    rejectedBy: [kit('a key is free when the run that it names was pruned')],
    alone: true,
    steps() {
      const pruned = new Map<string, OccurrenceRecord>()
      return {
        remove: (ledger, record) => {
          if (record.details.keyId !== undefined) pruned.set(record.details.keyId, record)
          ledger.remove(record)
        },
        namedByKey: (ledger, key) => ledger.namedByKey(key) ?? pruned.get(key.id),
        blocksKey: (ledger, record, key) => ledger.blocksKey(record, key) || pruned.get(key.id) === record,
      }
    },
  },
  'lets a key name the first of its runs that has not ended': {
    rejectedBy: [kit('scope live: the key names the last of its runs, although an earlier one ends later')],
    alone: true,
    nameByKey: (ledger, record) => {
      const { keyId } = record.details
      const named = keyId === undefined ? undefined : ledger.occurrences.get(ledger.keys.get(keyId) ?? record.id)
      if (named === undefined || named.id === record.id || isFinal(named.state)) ledger.nameByKey(record)
    },
  },
  'lets a key name a request that is skipped': {
    rejectedBy: [kit('a request that is skipped does not take its key')],
    alone: true,
    nameByKey: (ledger, { id, details: { keyId } }) => {
      if (keyId !== undefined) ledger.keys.set(keyId, id)
    },
  },
  'has one key for each job': {
    rejectedBy: [kit('keys of two jobs are independent, and so are two keys of a job')],
    alone: true,
    blockingKey: (ledger, item) => {
      const { key } = item
      const named = ledger.blockingKey(item)
      if (key === undefined || named !== undefined) return named
      return ledger
        .liveOf(item.jobId, 'pending')
        .find(({ details }) => details.keyId !== undefined && key.scope === 'live')
    },
  },
  'looks at the key before the version': {
    rejectedBy: [kit('a key that blocks comes after the judgement of the job: a stale version is refused')],
    alone: true,
    createOne: (ledger, item, owner, now) => {
      const isRequest = item.kind === 'trigger' || item.kind === 'replay'
      const blocking = isRequest && !ledger.occurrences.has(item.id) ? ledger.blockingKey(item) : undefined
      if (blocking === undefined) return ledger.createOne(item, owner, now)
      return { ...ledger.answerExists(item, blocking), id: blocking.id } as CreateAnswer
    },
  },
  'asks whether the key is free, then creates': {
    rejectedBy: ['races of connections: of many requests of one reusable key exactly one creates a run, in each round'],
    calls: (ledger) => ({
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
  },
})
