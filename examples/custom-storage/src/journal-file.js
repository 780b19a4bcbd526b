import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { Journal } from './journal.js'

/**
 * The current file format: its number, and the migrations from earlier formats. The first line of each file contains the
 * number of the file's format.
 */
const present = {
  form: 1,
  /**
   * Each line of the file after the first is a call: the name of a method, and its request. `migrations[n]` converts one of
   * these calls from format `n + 1` to format `n + 2`.
   * @type {((call: any) => any)[]}
   */
  migrations: [],
}

/** The methods whose calls the file contains. */
const writes = ['saveJobs', 'createOccurrences', 'claim', 'settle', 'cancel', 'reap', 'prune']

/** An open journal file, with the memory database to which its calls lead. */
export class JournalFile {
  connections = 0
  database = memoryDatabase()

  /** @param {string} path */
  constructor(path, forms = present) {
    this.journal = new Journal(path)
    try {
      /** The last call of the file. @type {Promise<unknown>} */
      this.lastCall = this.repeat(this.load(forms))
    } catch (error) {
      this.journal.close()
      throw error
    }
  }

  /** Returns the calls in the file, in the current format. @param {typeof present} forms @returns {any[]} */
  load({ form, migrations }) {
    const [header = { journal: form }, ...lines] = this.journal.read()
    if (typeof header?.journal !== 'number')
      throw this.journal.error('STORAGE_FOREIGN', 'the file contains no journal of this storage')
    if (header.journal > form)
      throw this.journal.error('STORAGE_SCHEMA_NEWER', 'a newer version of this storage wrote the file')
    const missing = migrations.slice(header.journal - 1)
    const calls = lines.map((call) => missing.reduce((known, migrate) => migrate(known), call))
    if (lines.length === 0 || missing.length > 0) this.journal.replaceAll([{ journal: form }, ...calls])
    return calls
  }

  /** Repeats calls. No call reads a clock, so the same calls lead to the same records. @param {any[]} calls */
  async repeat(calls) {
    const storage = this.memory()
    for (const [method, request] of calls) await storage[method](request)
  }

  /** Opens one more connection to the database. @returns {any} */
  memory() {
    return memoryStorage({ database: this.database })
  }

  /**
   * Executes a call after all earlier calls, and writes it to the file before it resolves. If the write fails, this and all
   * later calls reject: the database then has a change that the file lacks.
   * @param {any} memory @param {string} method @param {unknown} request @returns {Promise<any>}
   */
  call(memory, method, request) {
    const answer = this.lastCall.then(async () => {
      const result = await memory[method](request)
      if (writes.includes(method)) this.append([method, request])
      return result
    })
    // A call that `memoryStorage` rejects has changed nothing, so later calls go on. Only a failed write stops them.
    this.lastCall = answer.catch(() => {
      if (this.failure !== undefined) throw this.failure
    })
    // Avoids an unhandled rejection: the next call, or `close`, awaits `lastCall` and handles its error.
    this.lastCall.catch(() => {})
    return answer
  }

  /** @param {unknown} call */
  append(call) {
    try {
      this.journal.append(call)
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  /** The error of the write that has failed. @type {unknown} */
  failure = undefined
}
