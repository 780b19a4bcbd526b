import { Records } from '@jobistemer/core/storage'
import { Journal } from './journal.js'

/** @import { RecordChange } from '@jobistemer/core/storage' */

/**
 * The file format that this version of the storage writes. The first line of each file states the number of its format.
 */
const present = {
  form: 1,
  /** `migrations[n]` converts a change in format `n + 1` to changes in format `n + 2`. @type {((change: any) => any)[]} */
  migrations: [],
}

/** Maximum number of lines of a file. A longer file is compacted to one line at its next opening. */
const compactAfterLines = 1_000

/** An open journal file, with the records that its lines describe. */
export class JournalFile {
  connections = 0
  records = new Records()

  /** @param {string} path */
  constructor(path, forms = present) {
    this.journal = new Journal(path)
    try {
      this.load(forms)
    } catch (error) {
      this.journal.close()
      throw error
    }
  }

  /** @param {typeof present} forms */
  load({ form, migrations }) {
    const [header = { journal: form }, ...lines] = this.journal.read()
    if (typeof header?.journal !== 'number')
      throw this.journal.error('STORAGE_FOREIGN', 'the file contains no journal of this storage')
    if (header.journal > form)
      throw this.journal.error('STORAGE_SCHEMA_NEWER', 'a newer version of this storage wrote the file')
    const missing = migrations.slice(header.journal - 1)
    for (const change of lines.flat()) this.records.apply(missing.reduce((known, migrate) => migrate(known), change))
    const isCurrent = lines.length > 0 && lines.length <= compactAfterLines && missing.length === 0
    if (!isCurrent) this.journal.replaceAll([{ journal: form }, this.records.snapshot()])
  }
}
