import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'

const writes = ['saveJobs', 'createOccurrences', 'claim', 'settle', 'cancel', 'reap', 'prune']
const reads = ['get', 'listJobs', 'listOccurrences', 'heartbeat']

/** @type {Map<string, ReturnType<typeof openFile>>} */
const openFiles = new Map()

/** @param {string} file */
function openFile(file) {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
  writeFileSync(`${file}.draft`, lines.map((line) => `${line}\n`).join(''))
  renameSync(`${file}.draft`, file)
  const database = memoryDatabase()
  return { database, connections: 0, lastCall: repeatCalls(memoryStorage({ database }), lines) }
}

/** @param {any} storage @param {string[]} lines @returns {Promise<any>} */
async function repeatCalls(storage, lines) {
  for (const line of lines) {
    const [method, request] = JSON.parse(line)
    await storage[method](request)
  }
}

/** @param {{ file: string }} options @returns {import('@jobistemer/core/storage').Storage} */
export function fileStorage({ file }) {
  const open = openFiles.get(file) ?? openFile(file)
  openFiles.set(file, open)
  open.connections += 1
  let isOpen = true
  /** @type {any} */
  const memory = memoryStorage({ database: open.database })
  /** @param {string} method @param {unknown} request */
  const call = async (method, request) => {
    const answer = await memory[method](request)
    if (writes.includes(method)) appendFileSync(file, `${JSON.stringify([method, request])}\n`)
    return answer
  }
  /** @param {string} method @returns {[string, (request: unknown) => Promise<any>]} */
  const inTurn = (method) => [
    method,
    (request) => {
      const answer = open.lastCall.then(() => call(method, request))
      open.lastCall = answer.catch(() => {})
      return answer
    },
  ]
  return {
    .../** @type {any} */ (Object.fromEntries([...reads, ...writes].map(inTurn))),
    specVersion: 1,
    capabilities: { ...memory.capabilities, durability: 'process' },
    async close() {
      await open.lastCall
      await memory.close()
      if (isOpen) open.connections -= 1
      isOpen = false
      if (open.connections === 0) openFiles.delete(file)
    },
  }
}
