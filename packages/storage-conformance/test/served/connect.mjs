import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'
import { JobistemerError } from '@jobistemer/core'

const methods = [
  'saveJobs',
  'createOccurrences',
  'claim',
  'settle',
  'cancel',
  'reap',
  'get',
  'listJobs',
  'listOccurrences',
  'prune',
  'heartbeat',
]

/**
 * Connects to the storage that another process serves on a socket.
 * @param {{ path: string }} argument
 */
export async function connect({ path }) {
  const socket = createConnection(path)
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const waiting = new Map()
  let calls = 0
  let closed = false
  createInterface({ input: socket }).on('line', (line) => {
    const { number, answer, error } = JSON.parse(line)
    const { resolve, reject } = waiting.get(number)
    waiting.delete(number)
    if (error === undefined) resolve(answer)
    else reject(new JobistemerError('STORAGE_FAILED', { message: error }))
  })
  socket.once('close', () => {
    for (const { reject } of waiting.values()) reject(closedError())
  })

  const call = (method) => async (request) => {
    if (closed) throw closedError()
    const number = calls++
    return await new Promise((resolve, reject) => {
      waiting.set(number, { resolve, reject })
      socket.write(`${JSON.stringify({ number, method, request })}\n`)
    })
  }
  return {
    specVersion: 1,
    capabilities: { maxBatch: 100, multiProcess: true, durability: 'process' },
    ...Object.fromEntries(methods.map((method) => [method, call(method)])),
    async close() {
      closed = true
      socket.end()
    },
  }
}

function closedError() {
  return new JobistemerError('STORAGE_CLOSED', { message: 'The connection is closed.' })
}

/**
 * A faulty connection: it answers that settles were stored, but sends them later.
 * @param {{ path: string }} argument
 */
export async function connectHasty(argument) {
  const storage = await connect(argument)
  const unsent = []
  return {
    ...storage,
    async settle(request) {
      unsent.push(request)
      if (unsent.length > 3) for (const earlier of unsent.splice(0)) await storage.settle(earlier)
      return request.items.map(() => ({ outcome: 'ok', woken: null, cancelRequested: null }))
    },
  }
}
