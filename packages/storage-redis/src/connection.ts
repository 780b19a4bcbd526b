import { JobistemerError, systemClock, type Timer } from '@jobistemer/core'
import type { StorageCapabilities } from '@jobistemer/core/storage'
import { Redis } from 'ioredis'
import { checkServer } from './check-server.ts'
import { isCluster, keepAliveMs, placeOf, scriptsOf } from './client.ts'
import type { ReadOptions, RedisClient } from './options.ts'
import { closedError, copyOfError, isReply, storageError, timeoutError, tooFewReplicas } from './redis-errors.ts'
import type { Script } from './script.ts'
import { markShardScript, markWriteScript } from './scripts/small-scripts.ts'
import { withoutArguments } from './secrets.ts'

/** The connection, the channel and the sender id that every operation of the storage uses. */
export interface Ledger {
  readonly connection: Connection
  /** The channel on which scripts publish changes to other connections. */
  readonly channel: string
  /** Identifies this storage in the messages that its scripts publish. */
  readonly sender: string
}

export const capabilities: StorageCapabilities = Object.freeze({
  maxBatch: 250,
  multiProcess: true,
  durability: 'process',
  findsDueJobs: true,
  takesNext: true,
})

export type ScriptArgument = string | Buffer | number

/** Returns an additional key of a call. `shard` is the key prefix of the shard, which ends with a colon. */
type ExtraKey = (shard: string) => string

export interface ScriptCall {
  readonly script: Script
  readonly shard: number
  /** The number of shards that the caller assumes. The script rejects a wrong number. */
  readonly shards: number
  readonly arguments: readonly ScriptArgument[]
  readonly extraKey?: ExtraKey
  /**
   * Order of two calls on the same shard. The client sends the call with `behind` only after it has received the answer to the
   * call with `ahead`. So the client processes the first answer while the server runs the second call.
   *
   * If the client sent both calls together, the server would send both answers at the end of the second call.
   */
  readonly order?: 'ahead' | 'behind'
}

/** Runs scripts on the server, each call within a time limit, and converts failures to errors of the storage. */
export class Connection {
  readonly client: RedisClient
  readonly #options: ReadOptions
  readonly #isOwn: boolean
  readonly #place: string
  /** Number of calls in progress. When the number becomes 0, `#whenIdle` is called. */
  #underWay = 0
  #whenIdle: () => void = () => {}
  /**
   * By shard: a promise that resolves when the shard has answered the call with order `ahead`. Calls with order
   * `behind` wait for this promise. The promise never rejects.
   */
  readonly #ahead = new Map<number, Promise<unknown>>()
  /** The number of shards; `null` before the first check of the server. */
  #shards: number | null = null
  #opening: Promise<number> | null = null
  #lastError: Error | null = null
  #closed = false
  /** Number of calls that the server has answered. If this number grows while another call fails, some master answers. */
  answered = 0

  constructor(options: ReadOptions) {
    this.#options = options
    const { source } = options
    this.#isOwn = 'url' in source
    this.client = 'url' in source ? openClient(source.url, options.commandTimeoutMs) : source.client
    this.#place = placeOf(this.client)
    if (this.#isOwn) {
      // Without a listener, ioredis would print each failed attempt to connect.
      this.client.on('error', (error: Error & { readonly command?: { readonly name: string } }) => {
        // After a disconnect, ioredis 5 also emits this error, which does not say the cause.
        if (!/max retries per/.test(error.message)) this.#lastError = withoutArguments(error)
        // If the server refuses `select`, ioredis would continue in database 0.
        if (error.command?.name === 'select' && !this.#closed) this.client.disconnect(true)
      })
      this.client.on('ready', () => {
        this.#lastError = null
      })
    }
  }

  assertOpen(): void {
    if (this.#closed) throw closedError(this.#place)
  }

  /** Returns the number of shards. The first call checks the server and its data. */
  async shards(): Promise<number> {
    this.assertOpen()
    return this.#shards ?? (await this.#openAnew())
  }

  /** Runs a read-only script, and returns its answer. */
  async read(call: ScriptCall): Promise<unknown> {
    return await this.#within(() => this.#onNamespace(call, this.#evaluate))
  }

  /** Runs a writing script, waits until `minReplicas` replicas have acknowledged the write, and returns the answer. */
  async write(call: ScriptCall): Promise<unknown> {
    const run = this.#options.minReplicas === 0 ? this.#evaluate : this.#evaluateAndWait
    return await this.#within(() => this.#onNamespace(call, run))
  }

  /** Runs read-only scripts concurrently. Returns the answers in the order of the calls. */
  async readAll(calls: readonly ScriptCall[]): Promise<readonly unknown[]> {
    return await Promise.all(calls.map((call) => this.read(call)))
  }

  /** Closes the connection after the calls in progress, each of which ends within its time limit. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
    }
    if (this.#isOwn) this.client.disconnect()
  }

  /**
   * Runs a script. If the server has lost its data since the check, creates the namespace again and repeats the script
   * once.
   */
  async #onNamespace<T>(call: ScriptCall, run: (call: ScriptCall) => Promise<T>): Promise<T> {
    try {
      return await run.call(this, call)
    } catch (error) {
      // `#shards` is `null` while the storage prepares the namespace. The code that prepares the namespace handles the error
      // itself.
      if (!isReply(error, 'SPREAD') || this.#shards === null) throw error
      // Another process may have created the new namespace with another number of shards. The caller has then sent the jobs to
      // wrong shards, so the call must fail.
      if ((await this.#openAnew()) !== call.shards) throw error
      return await run.call(this, call)
    }
  }

  async #openAnew(): Promise<number> {
    this.#opening ??= this.#prepare()
    try {
      this.#shards = await this.#opening
      return this.#shards
    } catch (error) {
      // Several calls may await this check. Core adds the answers of a call to its error, so each call gets its own error.
      throw copyOfError(error as JobistemerError)
    } finally {
      // The next call checks the server again, because the problem that this check found may be solved later.
      this.#opening = null
    }
  }

  /** Checks the server and its data, and stores the number of shards in each shard. Returns the number of shards. */
  async #prepare(): Promise<number> {
    const shards = await this.#within(() => checkServer(this.client, this.#options, this.#place, this.#shards))
    await this.#within(() => this.#markShards(shards))
    return shards
  }

  async #markShards(shards: number): Promise<void> {
    const mark = (shard: number) =>
      scriptsOf(this.client).evalBuffer(markShardScript, 1, ...this.#keysOf(shard, undefined), shards)
    await Promise.all(Array.from({ length: shards }, (_, shard) => mark(shard)))
  }

  async #evaluate(call: ScriptCall): Promise<unknown> {
    const { shard, order } = call
    const ahead = order === 'behind' ? this.#ahead.get(shard) : undefined
    if (ahead !== undefined) await ahead
    const answer = this.#send(call)
    // The caller handles a failure of this call. Calls with order `behind` only wait for its end.
    if (order === 'ahead') this.#ahead.set(shard, Promise.allSettled([answer]))
    try {
      return await answer
    } finally {
      // The server has answered this call, so it has also begun the next call on this shard. So no call with order `behind`
      // needs to wait any more.
      this.#ahead.delete(shard)
    }
  }

  async #send({ script, shard, shards, arguments: given, extraKey }: ScriptCall): Promise<unknown> {
    const keys = this.#keysOf(shard, extraKey)
    const values = [...given, shards]
    try {
      return await scriptsOf(this.client).evalshaBuffer(script.sha, keys.length, ...keys, ...values)
    } catch (error) {
      if (!isReply(error, 'NOSCRIPT')) throw error
      return await scriptsOf(this.client).evalBuffer(script.source, keys.length, ...keys, ...values)
    }
  }

  async #evaluateAndWait(call: ScriptCall, known = true, isMoved = false): Promise<unknown> {
    const { script, shard, shards, arguments: given, extraKey } = call
    const values = [...given, shards]
    const { minReplicas, waitTimeoutMs } = this.#options
    const keys = this.#keysOf(shard, extraKey)
    // A pipeline sends all commands over one connection, because `WAIT` covers only the writes of its own connection.
    const pipeline = this.client.pipeline()
    const command = known ? ['evalsha', script.sha] : ['eval', script.source]
    pipeline.callBuffer(...(command as [string, string]), keys.length, ...keys, ...values)
    const mark = [markWriteScript, 1, `${this.#prefixOf(shard)}marked`] as const
    pipeline.call('eval', ...mark)
    pipeline.call('wait', minReplicas, waitTimeoutMs)
    const results = (await pipeline.exec()) ?? []
    const [answer, , waited] = results
    if (answer === undefined || waited === undefined) throw new Error('Connection is closed.')
    if (known && isReply(answer[0], 'NOSCRIPT')) return await this.#evaluateAndWait(call, false, isMoved)
    if (!isMoved && isCluster(this.client) && isReply(answer[0], 'MOVED')) {
      // A Cluster client does not follow `MOVED` in a pipeline whose `WAIT` succeeds. But it follows `MOVED` of a single
      // command, and then sends pipelines to the new master too.
      await scriptsOf(this.client).evalBuffer(...mark)
      return await this.#evaluateAndWait(call, known, true)
    }
    for (const [error] of results) if (error !== null) throw error
    const reached = Number(waited[1])
    if (reached < minReplicas) throw tooFewReplicas(this.#place, minReplicas, reached, waitTimeoutMs)
    return answer[1]
  }

  #keysOf(shard: number, extraKey: ExtraKey | undefined): readonly string[] {
    const prefix = this.#prefixOf(shard)
    return extraKey === undefined ? [`${prefix}heads`] : [`${prefix}heads`, extraKey(prefix)]
  }

  #prefixOf(shard: number): string {
    return `{${this.#options.prefix}:${shard}}:`
  }

  /** Makes a call. Rejects after the command timeout, because the client itself may wait for a server without limit. */
  async #within<T>(call: () => Promise<T>): Promise<T> {
    this.assertOpen()
    const { commandTimeoutMs } = this.#options
    const end = systemClock.monotonic() + commandTimeoutMs
    let timer: Timer | null = null
    this.#underWay++
    try {
      const answer = await new Promise<T>((resolve, reject) => {
        // A timer may fire before the requested time, so the remaining time is checked.
        const onTimer = () => {
          const leftMs = end - systemClock.monotonic()
          if (leftMs > 0) timer = systemClock.setTimer(leftMs, onTimer)
          else reject(timeoutError(this.#place, commandTimeoutMs, this.#lastError))
        }
        timer = systemClock.setTimer(commandTimeoutMs, onTimer)
        call().then(resolve, reject)
      })
      this.answered++
      return answer
    } catch (error) {
      // A client with status `end` never reconnects: its owner has closed it, or its `retryStrategy` has given up.
      if (!this.#isOwn && this.client.status === 'end' && !JobistemerError.isInstance(error)) {
        throw closedError(this.#place)
      }
      throw storageError(error, this.#place, this.#lastError)
    } finally {
      ;(timer as Timer | null)?.cancel()
      this.#underWay--
      if (this.#underWay === 0) this.#whenIdle()
    }
  }
}

/** Additional time, in ms after the command timeout, before a connection without an answer is closed. */
const graceMs = 1000

const longestTimeoutMs = 2 ** 31 - 1

function openClient(url: string, commandTimeoutMs: number): Redis {
  const client = new Redis(url, {
    lazyConnect: true,
    keepAlive: keepAliveMs,
    // Without this limit, the operating system would retransmit to a silently lost host for 15 minutes.
    socketTimeout: Math.min(commandTimeoutMs + graceMs, longestTimeoutMs),
    // A call fails as soon as its connection breaks. ioredis must not repeat the call, because the caller has to check
    // first whether the call took effect.
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 50, 1000),
    // `READONLY` means that a failover has made the server a replica. A new connection may reach the new primary.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  })
  // Stops the socket timer of a broken connection, because ioredis 5 does not stop it. The timer would end the next
  // connection.
  client.on('close', () => {
    const timed: { socketTimeoutTimer?: NodeJS.Timeout | undefined } = client as object
    clearTimeout(timed.socketTimeoutTimer)
    timed.socketTimeoutTimer = undefined
  })
  return client
}
