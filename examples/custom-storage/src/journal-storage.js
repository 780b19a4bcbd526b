import { resolve } from 'node:path'
import { JobistemerError } from '@jobistemer/core'
import { Journal } from './journal.js'
import { Ledger } from './ledger.js'

/** @import { Storage } from '@jobistemer/core/storage' */

/** The methods that write: their requests are what the journal keeps. */
const steps = /** @type {const} */ (['saveJobs', 'createOccurrences', 'claim', 'settle', 'cancel', 'reap', 'prune'])
const reads = /** @type {const} */ (['get', 'listJobs', 'listOccurrences'])

/** So many lines are worth a snapshot when the file is opened next. */
const compactAfterLines = 1_000

/** One process has each file open once, whatever the number of its connections. @type {Map<string, OpenFile>} */
const openFiles = new Map()

/**
 * A storage in an append-only file, for one process at a time.
 *
 * Every writing call is one line: its name and its request. No step reads a clock or draws a random number, so that
 * repeating the lines builds the same state again, answer by answer.
 *
 * @param {{ file: string }} options
 * @returns {Storage}
 * @throws JobistemerError `STORAGE_UNREADABLE` when the file is something else
 */
export function journalStorage({ file }) {
  const path = resolve(file)
  const open = openFiles.get(path) ?? new OpenFile(path)
  openFiles.set(path, open)
  open.connections += 1
  return connectionTo(open)
}

/** A journal and the state that its lines lead to. */
class OpenFile {
  connections = 0

  /** @param {string} path */
  constructor(path) {
    this.path = path
    this.journal = new Journal(path)
    this.ledger = new Ledger()
    try {
      for (const entry of this.journal.read()) this.repeat(entry)
    } catch (error) {
      this.journal.close()
      throw error
    }
    if (this.journal.lines > compactAfterLines) {
      this.journal.replaceAll(JSON.stringify(['snapshot', this.ledger.dump()]))
    }
  }

  /** @param {unknown} entry */
  repeat(entry) {
    const [method, request] = Array.isArray(entry) ? entry : []
    if (method === 'snapshot') this.ledger.load(request)
    else if (steps.includes(method)) this.ledger[/** @type {typeof steps[number]} */ (method)](request)
    else {
      throw new JobistemerError('STORAGE_FOREIGN', {
        message: `${this.path} holds a line that is not of a journal.`,
        field: 'file',
        value: this.path,
        remedy: 'Give a file that journalStorage() made.',
      })
    }
  }

  /**
   * Writes the call down, then makes it happen. The state works on its own copy of the request.
   * @param {typeof steps[number]} method
   * @param {object} request
   */
  step(method, request) {
    const line = JSON.stringify([method, request])
    this.journal.append(line)
    return this.ledger[method](JSON.parse(line)[1])
  }

  release() {
    this.connections -= 1
    if (this.connections > 0) return
    openFiles.delete(this.path)
    this.journal.close()
  }
}

/** @param {OpenFile} open @returns {Storage} */
function connectionTo(open) {
  let closed = false

  function assertOpen() {
    if (!closed) return
    throw new JobistemerError('STORAGE_CLOSED', {
      message: 'The journal storage is closed.',
      remedy: 'Shut the scheduler down before closing its storage, or open another one with journalStorage().',
    })
  }

  const writing = steps.map((method) => [
    method,
    async (/** @type {any} */ request) => {
      assertOpen()
      return structuredClone(open.step(method, request))
    },
  ])
  const reading = reads.map((method) => [
    method,
    async (/** @type {any} */ request) => {
      assertOpen()
      return structuredClone(open.ledger[method](request))
    },
  ])
  return {
    ...Object.fromEntries([...writing, ...reading]),
    specVersion: 1,
    capabilities: { maxBatch: 500, multiProcess: false, durability: 'power' },
    async close() {
      if (closed) return
      closed = true
      open.release()
    },
  }
}
