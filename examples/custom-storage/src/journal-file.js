import { Records } from '@jobistemer/core/storage'
import { Journal } from './journal.js'

/** @import { RecordChange } from '@jobistemer/core/storage' */

/**
 * The current file format: its number, and the migrations from earlier formats. The first line of each file contains the
 * number of the file's format.
 */
const present = {
  form: 1,
  /**
   * Each line of the file after the first is a list of changes to records. `migrations[n]` converts one of these changes
   * from format `n + 1` to format `n + 2`.
   * @type {((change: any) => any)[]}
   */
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
