import { resolve } from 'node:path'
import { JobistemerError } from '@jobistemer/core'
import { NodeList } from '@jobistemer/core/storage'
import { ClassicLevel } from 'classic-level'
import { bringToPresentForm } from './forms.js'

/** Open databases by folder. A process opens each folder once, for all its connections. @type {Map<string, Database>} */
const databases = new Map()

/** An open database folder, which all connections of this process share. */
export class Database {
  connections = 0
  /** The node records are only in memory, because all nodes of the database run in this process. */
  nodes = new NodeList()
  /** @type {Promise<unknown>} */
  #line = Promise.resolve()

  /** @param {string} folder @param {Parameters<typeof bringToPresentForm>[1]} [migrations] */
  constructor(folder, migrations) {
    /** @type {ClassicLevel<string, any>} */
    this.level = new ClassicLevel(folder, { keyEncoding: 'utf8', valueEncoding: 'json' })
    this.opening = this.open(migrations)
    // After a failed opening, the next call of `openDatabase` tries again with a new `Database`.
    this.opening.catch(() => databases.delete(folder))
  }

  /** @param {Parameters<typeof bringToPresentForm>[1]} [migrations] */
  async open(migrations) {
    try {
      await this.level.open()
    } catch (cause) {
      throw new JobistemerError('STORAGE_UNREADABLE', {
        message: `The database cannot be opened: ${this.level.location}.`,
        field: 'folder',
        value: this.level.location,
        remedy: 'Give Jobistemer a separate folder that no other process has open.',
        cause,
      })
    }
    await bringToPresentForm(this.level, migrations)
  }

  /**
   * Runs units of work one after the other, so that their reads and writes do not mix.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async alone(work) {
    await this.opening
    const result = this.#line.then(work)
    // Even if a unit of work fails, the next unit starts. The caller of `alone` receives the error.
    this.#line = result.catch(() => undefined)
    return await result
  }

  async release() {
    this.connections -= 1
    // Ignores a failed opening: the callers that waited for `opening` have received the error.
    await this.opening.catch(() => undefined)
    await this.#line
    // If another caller has opened a connection during the waits above, the database stays open.
    if (this.connections > 0) return
    databases.delete(this.level.location)
    await this.level.close()
  }
}

/** @param {string} folder @param {Parameters<typeof bringToPresentForm>[1]} [migrations] */
export function openDatabase(folder, migrations) {
  const path = resolve(folder)
  const database = databases.get(path) ?? new Database(path, migrations)
  databases.set(path, database)
  database.connections += 1
  return database
}
