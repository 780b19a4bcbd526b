import { Records } from '@jobistemer/core/storage'
import { Journal } from './journal.js'

/** @import { RecordChange } from '@jobistemer/core/storage' */

/** The stored form that this version writes; the first line of a file tells which one the file has. */
const present = {
  form: 1,
  /** What turns a change as form `n + 1` - the index - has it into one of the next form. @type {((change: any) => any)[]} */
  migrations: [],
}

/** A file with more lines is compacted to one line the next time it is opened. */
const compactAfterLines = 1_000

/** An open journal, and the records that its lines lead to. */
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
      throw this.journal.error('STORAGE_FOREIGN', 'contains no journal of this storage')
    if (header.journal > form)
      throw this.journal.error('STORAGE_SCHEMA_NEWER', 'was written by a newer version of this storage')
    const missing = migrations.slice(header.journal - 1)
    for (const change of lines.flat()) this.records.apply(missing.reduce((known, migrate) => migrate(known), change))
    const isCurrent = lines.length > 0 && lines.length <= compactAfterLines && missing.length === 0
    if (!isCurrent) this.journal.replaceAll([{ journal: form }, this.records.snapshot()])
  }
}
