import { randomUUID } from 'node:crypto'
import type {
  CancelAnswer,
  CancelOccurrencesRequest,
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateOccurrencesRequest,
  GetAnswer,
  GetRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  JobQuery,
  JobRecord,
  OccurrenceQuery,
  OccurrenceRecord,
  Page,
  PruneAnswer,
  PruneRequest,
  ReapAnswer,
  ReapRequest,
  SaveJobAnswer,
  SaveJobsRequest,
  SettleAnswer,
  SettleRequest,
  Storage,
  StorageCapabilities,
  WakeUp,
} from '@jobistemer/core/storage'
import { Claimer } from './claim-occurrences.ts'
import { Connection } from './connection.ts'
import { createOccurrences } from './create-occurrences.ts'
import { heartbeat } from './heartbeat.ts'
import { capabilities, type Ledger } from './ledger.ts'
import { listDueJobs } from './list-due-jobs.ts'
import { listOccurrences } from './list-occurrences.ts'
import { type ReadOptions, type RedisStorageOptions, readOptions } from './options.ts'
import { pruneHistory } from './prune-history.ts'
import { get, listJobs } from './read-records.ts'
import { scripts } from './script.ts'
import { Steps } from './steps.ts'
import { settleOccurrences } from './settle-occurrences.ts'
import { WakeUps } from './wake-ups.ts'

/**
 * Storage on a Redis or Valkey server or a Redis Cluster, which nodes on many machines may use at once.
 *
 * ```ts
 * const storage = redisStorage({ url: 'redis://localhost:6379' })
 * ```
 *
 * The storage sends nothing before the first call. That call rejects with `STORAGE_UNREADABLE`, `STORAGE_FOREIGN` or
 * `STORAGE_SCHEMA_NEWER` if the server or its data are not fit, and with `STORAGE_BUSY` if the server cannot be reached.
 *
 * @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_ARGUMENT`, `INVALID_DURATION`
 */
export function redisStorage(options: RedisStorageOptions): Storage {
  return new RedisStorage(readOptions(options))
}

class RedisStorage implements Storage {
  readonly specVersion = 1
  readonly capabilities: StorageCapabilities = capabilities
  readonly #connection: Connection
  readonly #ledger: Ledger
  readonly #claimer: Claimer
  readonly #steps: Steps
  readonly #wakeUps: WakeUps

  constructor(options: ReadOptions) {
    const connection = new Connection(options)
    // Only for telling one's own messages and claims from those of others: nothing that is stored depends on it.
    const sender = randomUUID()
    const channel = `{${options.prefix}}:wake-ups`
    this.#connection = connection
    this.#ledger = { connection, channel, sender }
    this.#claimer = new Claimer(this.#ledger)
    this.#steps = new Steps(this.#ledger)
    this.#wakeUps = new WakeUps(connection.client, channel, sender)
  }

  async saveJobs(request: SaveJobsRequest): Promise<readonly SaveJobAnswer[]> {
    return await this.#steps.saveJobs(request)
  }

  async createOccurrences(request: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]> {
    return await createOccurrences(this.#ledger, this.#steps, request)
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    return await this.#claimer.claim(request)
  }

  async settle(request: SettleRequest): Promise<readonly SettleAnswer[]> {
    return await settleOccurrences(this.#ledger, request)
  }

  async cancel(request: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]> {
    return await this.#steps.cancel(request)
  }

  async reap(request: ReapRequest): Promise<readonly ReapAnswer[]> {
    return await this.#steps.reap(request)
  }

  async get(request: GetRequest): Promise<GetAnswer> {
    return await get(this.#ledger, request)
  }

  async listJobs(query: JobQuery): Promise<Page<JobRecord>> {
    return query.due === undefined
      ? await listJobs(this.#ledger, query)
      : await listDueJobs(this.#ledger, query, query.due)
  }

  async listOccurrences(query: OccurrenceQuery): Promise<Page<OccurrenceRecord>> {
    return await listOccurrences(this.#ledger, query)
  }

  async prune(request: PruneRequest): Promise<PruneAnswer> {
    return await pruneHistory(this.#ledger, request)
  }

  async heartbeat(request: HeartbeatRequest): Promise<HeartbeatAnswer> {
    return await heartbeat(this.#ledger, request)
  }

  async serverTime(): Promise<number> {
    const shards = await this.#connection.shards()
    const [reply] = await this.#connection.read([{ script: scripts.serverTime, shard: 0, shards, arguments: [] }])
    const [seconds, microseconds] = (reply as readonly Buffer[]).map(Number) as [number, number]
    return seconds * 1000 + Math.floor(microseconds / 1000)
  }

  subscribe(listener: (wakeUp: WakeUp) => void): () => void {
    this.#connection.assertOpen()
    return this.#wakeUps.subscribe(listener)
  }

  async close(): Promise<void> {
    this.#wakeUps.close()
    await this.#connection.close()
  }
}
