import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { JobRecord, OccurrenceRecord } from '@jobistemer/core/storage'
import type { DamagedText, StorageWorld } from '../../src/index.ts'
import { Ledger, ledgerWorld, type Mutant, mutantsOf } from './mutant.ts'

const definitions = 'a damaged definition is answered with a mark, beside intact jobs'
const claims = 'a claim takes an occurrence with damaged details beside intact ones, and it can be ended'
const ends = 'a running or waiting occurrence with damaged details can be canceled and reaped'

/** A ledger whose rows tests can damage. Damaged records are unreadable. */
export class DamageableLedger extends Ledger {
  readonly damagedJobs: Set<JobId> = new Set()
  readonly damagedOccurrences: Set<OccurrenceId> = new Set()

  damage(damaged: DamagedText): void {
    if (damaged.part === 'definition') {
      const head = this.jobs.get(damaged.job) as JobRecord
      const version = this.versions.get(damaged.job)?.get(damaged.version)
      this.damagedJobs.add(damaged.job)
      this.putHead({ ...head, definition: { unreadable: 'definition' } })
      if (version !== undefined) this.putVersion({ ...version, definition: { unreadable: 'definition' } })
      return
    }
    const record = this.occurrences.get(damaged.occurrence.id) as OccurrenceRecord
    this.damagedOccurrences.add(record.id)
    this.put({ ...record, details: { unreadable: 'details' } })
  }
}

export function damageableWorld(ledger: DamageableLedger = new DamageableLedger()): StorageWorld {
  return { ...ledgerWorld(ledger), damage: async (damaged) => ledger.damage(damaged) }
}

/** Throws, like an adapter that parses each row without catching errors. */
function unreadable(): never {
  throw new SyntaxError('Unexpected token in JSON')
}

/** Mutants with faults in the answers about damaged rows. */
export const damageMutants: readonly Mutant[] = mutantsOf(
  DamageableLedger,
  {
    'fails the whole read when one definition is damaged': {
      rejectedBy: [definitions],
      throws: true,
      get: (ledger, request) =>
        request.jobs?.some((id) => ledger.damagedJobs.has(id)) ? unreadable() : ledger.get(request),
    },
    'fails the whole list when one definition is damaged': {
      rejectedBy: [definitions, 'a job with a damaged definition can be deleted'],
      throws: true,
      listJobs: (ledger, query) => (ledger.damagedJobs.size > 0 ? unreadable() : ledger.listJobs(query)),
    },
    'leaves jobs with a damaged definition out of the list': {
      rejectedBy: [definitions],
      listJobs: (ledger, query) => {
        const page = ledger.listJobs(query)
        return { ...page, items: page.items.filter(({ id }) => !ledger.damagedJobs.has(id)) }
      },
    },
    'fails the whole claim when the details of one occurrence are damaged': {
      rejectedBy: [claims],
      throws: true,
      claim: (ledger, request) => (ledger.damagedOccurrences.size > 0 ? unreadable() : ledger.claim(request)),
    },
    'loses the mark when a later step writes the record': {
      rejectedBy: [claims],
      put: (ledger, record) => {
        const isAgain = ledger.occurrences.get(record.id)?.details.unreadable !== undefined
        ledger.put(isAgain ? { ...record, details: {} } : record)
      },
    },
    'fails each step on an occurrence with damaged details': {
      rejectedBy: [claims, ends],
      throws: true,
      put: (ledger, record) => {
        if (ledger.damagedOccurrences.has(record.id) && record.state !== 'running') unreadable()
        ledger.put(record)
      },
    },
  },
  { capabilities: { takesNext: true, damage: true }, subject: 'damaged rows', world: damageableWorld },
)
