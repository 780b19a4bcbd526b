import type { JobistemerError, Logger } from '@jobistemer/core'
import { storageFailure } from '@jobistemer/core/storage'
import type { Redis } from 'ioredis'

const oldestMajor = 7

/**
 * Checks the answer of `INFO`: the server must not evict jobs, and must accept writes.
 * @throws JobistemerError `STORAGE_UNREADABLE` if the server is too old, is a replica, or may evict jobs
 */
export function checkServerInfo(info: string, place: string): void {
  const fieldOf = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
  const version = fieldOf('redis_version') ?? ''
  if (Number.parseInt(version, 10) < oldestMajor) {
    const message = `The server is of version ${version}, which is too old: ${place}.`
    throw unfit('version', version, message, `Use Redis ${oldestMajor} or later, or Valkey.`)
  }
  if (fieldOf('role') === 'slave') {
    const message = `The server is a replica, which takes no writes: ${place}.`
    throw unfit('role', 'replica', message, 'Connect to its primary: by Sentinel, Cluster, or the name of its host.')
  }
  const policy = fieldOf('maxmemory_policy') ?? 'noeviction'
  if (policy !== 'noeviction') {
    const message = `The server may forget jobs: its maxmemory-policy is ${policy}: ${place}.`
    const ways = 'in redis.conf, by CONFIG SET maxmemory-policy noeviction, or in the settings of the service'
    throw unfit('maxmemory-policy', policy, message, `Set it to noeviction: ${ways}.`)
  }
}

const warned = new Set<string>()

/** Warns once per process and server if the server stores nothing on disk. Does not warn if the server hides its settings. */
export async function checkPersistence(
  server: Redis,
  logger: Pick<Logger, 'warn'> | null,
  place: string,
): Promise<void> {
  if (warned.has(place)) return
  const settings = await readSettings(server)
  if (settings === null || settings.appendonly === 'yes' || (settings.save ?? '') !== '') return
  warned.add(place)
  const message =
    `Redis keeps nothing on disk: when it ends, all jobs and their history are gone (${place}). ` +
    'Set appendonly to yes, or configure snapshots with save.'
  if (logger !== null) logger.warn({ code: 'REDIS_NOT_PERSISTENT', place }, message)
  else process.emitWarning(message, { type: 'JobistemerWarning', code: 'REDIS_NOT_PERSISTENT' })
}

/** Reads the persistence settings. Returns `null` if the server rejects `CONFIG`, as managed services do. */
async function readSettings(server: Redis): Promise<ReturnType<typeof fromPairs> | null> {
  try {
    const pairs = await server.call('config', 'get', 'appendonly', 'save')
    return Array.isArray(pairs) ? fromPairs(pairs) : (pairs as Record<string, string>)
  } catch (error) {
    if (error instanceof Error && /^(NOPERM|ERR unknown|ERR .*CONFIG)/i.test(error.message)) return null
    throw error
  }
}

/** Converts a list of names, each followed by its value, to an object. */
export function fromPairs(pairs: readonly string[]): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(pairs.flatMap((name, index) => (index % 2 === 0 ? [[name, pairs[index + 1]]] : [])))
}

function unfit(field: string, value: string, message: string, remedy: string): JobistemerError {
  return storageFailure('STORAGE_UNREADABLE', [field, value], message, remedy)
}
