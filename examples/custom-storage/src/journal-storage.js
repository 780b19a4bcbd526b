import { resolve } from 'node:path'
import { JournalFile } from './journal-file.js'

const methods = [
  'saveJobs',
  'createOccurrences',
  'claim',
  'settle',
  'cancel',
  'reap',
  'prune',
  'get',
  'listJobs',
  'listOccurrences',
  'heartbeat',
]

/** Open files by path. A process opens each file once, for all its connections. @type {Map<string, JournalFile>} */
const openFiles = new Map()

/**
 * Creates a storage in an append-only file, for one process at a time. Each call that writes appends one line.
 * @param {{ file: string }} options
 * @returns {import('@jobistemer/core/storage').Storage}
 * @throws JobistemerError `STORAGE_UNREADABLE`, `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, `STORAGE_FULL`,
 * `STORAGE_FAILED`
 */
export function journalStorage({ file }) {
  const path = resolve(file)
  const open = openFiles.get(path) ?? new JournalFile(path)
  openFiles.set(path, open)
  open.connections += 1
  let isOpen = true
  const memory = open.memory()
  const calls = methods.map((method) => [
    method,
    (/** @type {unknown} */ request) => open.call(memory, method, request),
  ])
  return {
    .../** @type {any} */ (Object.fromEntries(calls)),
    specVersion: 1,
    capabilities: { ...memory.capabilities, durability: 'power' },
    async close() {
      if (!isOpen) return
      isOpen = false
      // If the last call failed, its caller has received the error. The storage closes in any case.
      await open.lastCall.catch(() => {})
      await memory.close()
      open.connections -= 1
      if (open.connections > 0) return
      openFiles.delete(path)
      open.journal.close()
    },
  }
}
