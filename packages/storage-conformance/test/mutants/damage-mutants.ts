import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { GetRequest, JobQuery, JobRecord, OccurrenceRecord } from '@jobistemer/core/storage'
import type { DamagedText, StorageWorld } from '../../src/index.ts'
import { Ledger, ledgerWorld, type Mutant } from './mutant.ts'

const sentence = (text: string): string => `damaged rows: ${text}`
const definitions = 'a damaged definition is answered with a mark, beside intact jobs'
const claims = 'a claim takes an occurrence with damaged details beside intact ones, and it can be ended'
const ends = 'a running or waiting occurrence with damaged details can be canceled and reaped'

/** A ledger whose rows can be damaged. It keeps the mark with which such a row is answered. */
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

/** Fails as an adapter does that parses each row and catches nothing. */
function unreadable(): never {
  throw new SyntaxError('Unexpected token in JSON')
}

function faulty(
  name: string,
  rejectedBy: readonly string[],
  Broken: new () => DamageableLedger,
  { throws = true } = {},
): Mutant {
  return {
    name,
    rejectedBy: rejectedBy.map(sentence),
    capabilities: { takesNext: true, damage: true },
    throws,
    open: () => damageableWorld(new Broken()),
  }
}

/** Faults in what a storage answers about rows that it cannot read. */
export const damageMutants: readonly Mutant[] = [
  faulty(
    'fails the whole read when one definition is damaged',
    [definitions],
    class extends DamageableLedger {
      override get(request: GetRequest) {
        return request.jobs?.some((id) => this.damagedJobs.has(id)) ? unreadable() : super.get(request)
      }
    },
  ),
  faulty(
    'fails the whole list when one definition is damaged',
    [definitions, 'a job with a damaged definition can be deleted'],
    class extends DamageableLedger {
      override listJobs(query: JobQuery) {
        return this.damagedJobs.size > 0 ? unreadable() : super.listJobs(query)
      }
    },
  ),
  faulty(
    'leaves jobs with a damaged definition out of the list',
    [definitions],
    class extends DamageableLedger {
      override listJobs(query: JobQuery) {
        const page = super.listJobs(query)
        return { ...page, items: page.items.filter(({ id }) => !this.damagedJobs.has(id)) }
      }
    },
    { throws: false },
  ),
  faulty(
    'fails the whole claim when the details of one occurrence are damaged',
    [claims],
    class extends DamageableLedger {
      override claim(request: Parameters<Ledger['claim']>[0]) {
        return this.damagedOccurrences.size > 0 ? unreadable() : super.claim(request)
      }
    },
  ),
  faulty(
    'loses the mark when a later step writes the record',
    [claims],
    class extends DamageableLedger {
      override put(record: OccurrenceRecord) {
        const isAgain = this.occurrences.get(record.id)?.details.unreadable !== undefined
        super.put(isAgain ? { ...record, details: {} } : record)
      }
    },
    { throws: false },
  ),
  faulty(
    'fails each step on an occurrence with damaged details',
    [claims, ends],
    class extends DamageableLedger {
      override put(record: OccurrenceRecord) {
        if (this.damagedOccurrences.has(record.id) && record.state !== 'running') unreadable()
        super.put(record)
      }
    },
  ),
]
