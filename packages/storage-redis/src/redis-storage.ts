import { randomUUID } from 'node:crypto'
import type { Storage } from '@jobistemer/core/storage'
import { Claimer } from './claim-occurrences.ts'
import { capabilities, Connection, type Ledger } from './connection.ts'
import { createOccurrences } from './create-occurrences.ts'
import { heartbeat } from './heartbeat.ts'
import { get, listDueJobs, listJobs } from './read-records.ts'
import { listOccurrences } from './list-occurrences.ts'
import { type RedisStorageOptions, readOptions } from './options.ts'
import { pruneHistory } from './prune-history.ts'
import { serverTimeScript } from './scripts/small-scripts.ts'
import { Steps } from './steps.ts'
import { settleOccurrences } from './settle-occurrences.ts'
import { WakeUps } from './wake-ups.ts'

/**
 * Creates a storage on a Redis or Valkey server or a Redis Cluster. Nodes on many machines may use it at once.
 *
 * ```ts
 * const storage = redisStorage({ url: 'redis://localhost:6379' })
 * ```
 *
 * The storage sends nothing before the first call. The first call rejects with `STORAGE_UNREADABLE`, `STORAGE_FOREIGN` or
 * `STORAGE_SCHEMA_NEWER` if the server or its data are not fit. The call rejects with `STORAGE_BUSY` if the server cannot be
 * reached.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function redisStorage(options: RedisStorageOptions): Storage {
  const read = readOptions(options)
  const connection = new Connection(read)
  // This id distinguishes the messages and claims of this storage from the messages and claims of other storages. No stored
  // data depend on this id.
  const sender = randomUUID()
  const channel = `{${read.prefix}}:wake-ups`
  const ledger: Ledger = { connection, channel, sender }
  const claimer = new Claimer(ledger)
  const steps = new Steps(ledger)
  const wakeUps = new WakeUps(connection.client, channel, sender)
  return {
    specVersion: 1,
    capabilities,
    saveJobs: steps.saveJobs,
    createOccurrences: (request) => createOccurrences(ledger, steps, request),
    claim: (request) => claimer.claim(request),
    settle: (request) => settleOccurrences(ledger, request),
    cancel: steps.cancel,
    reap: steps.reap,
    get: (request) => get(ledger, request),
    listJobs: (query) => (query.due === undefined ? listJobs(ledger, query) : listDueJobs(ledger, query, query.due)),
    listOccurrences: (query) => listOccurrences(ledger, query),
    prune: (request) => pruneHistory(ledger, request),
    heartbeat: (request) => heartbeat(ledger, request),
    async serverTime() {
      const shards = await connection.shards()
      const reply = await connection.read({ script: serverTimeScript, shard: 0, shards, arguments: [] })
      const [seconds, microseconds] = (reply as readonly Buffer[]).map(Number) as [number, number]
      return seconds * 1000 + Math.floor(microseconds / 1000)
    },
    subscribe(listener) {
      connection.assertOpen()
      return wakeUps.subscribe(listener)
    },
    async close() {
      wakeUps.close()
      await connection.close()
    },
  }
}
