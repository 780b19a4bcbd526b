import type { AttemptRecord } from '@jobistemer/core/storage'
import { type Mutant, mutants } from './mutant.ts'

const twice =
  'cancel: a second cancel by another actor answers requested and keeps the first reason and actor, also when it is then forced'
const traces = 'triggers: what traces a trigger is kept with it, and what traces its run with the attempts'

/** Mutants with faults in requests, cancels and recoveries. */
export const requestMutants: readonly Mutant[] = mutants({
  'keeps what traces a request no longer than until it runs': {
    rejectedBy: [traces],
    alone: true,
    put: (ledger, record) => {
      const { trace, ...details } = record.details
      ledger.put(record.state === 'running' ? { ...record, details } : record)
    },
  },
  'keeps of an attempt what it knows alone': {
    rejectedBy: [traces],
    alone: true,
    put: (ledger, record) => {
      const known = ({ traceparent, ...attempt }: AttemptRecord): AttemptRecord => attempt
      ledger.put({ ...record, runs: record.runs.map((run) => ({ ...run, attempts: run.attempts.map(known) })) })
    },
  },
  'uses up the id of a request that is skipped': {
    rejectedBy: [
      'overlap: skip: a request that is skipped is recorded under its other id, once, and its own stays free',
    ],
    alone: true,
    createDue: (ledger, item, head, owner, now) => {
      if (item.kind === 'slot') return ledger.createDue(item, head, owner, now)
      const { skippedId, ...own } = item
      return ledger.createDue(own, head, owner, now)
    },
  },
  'puts the actor of a second request to cancel in place of the first': {
    rejectedBy: [twice],
    alone: true,
    cancelOne: (ledger, item, now) => {
      const answer = ledger.cancelOne(item, now)
      const record = ledger.occurrences.get(item.id)
      if (answer.outcome === 'requested' && record !== undefined && record.cancelRequest !== null) {
        ledger.put({ ...record, cancelRequest: { ...record.cancelRequest, actor: item.actor } })
      }
      return answer
    },
  },
  'puts a forced cancel in place of the request before it': {
    rejectedBy: [twice],
    alone: true,
    cancelOne: (ledger, item, now) => {
      const record = ledger.occurrences.get(item.id)
      if (item.mode === 'force' && record?.state === 'running') ledger.put({ ...record, cancelRequest: null })
      return ledger.cancelOne(item, now)
    },
  },
  'passes over a recovery with no entries': {
    rejectedBy: ['recovery: a recovery with no entries moves the job over its slots and leaves nothing behind'],
    alone: true,
    createRecovery: (ledger, item, head, now) => {
      if (item.entries.length > 0) return ledger.createRecovery(item, head, now)
      return { outcome: 'created', state: 'missed', token: 0, reason: null, displaced: [], cancelRequested: [] }
    },
  },
})
