import { type Clock, systemClock, type Timer } from '@jobistemer/core'
import type { WakeUp } from '@jobistemer/core/storage'
import type { RedisOptions } from 'ioredis'
import { isCluster, keepAliveMs } from './client.ts'
import type { RedisClient } from './options.ts'

type Listener = (wakeUp: WakeUp) => void

const kinds: readonly WakeUp['kind'][] = ['due', 'cancel', 'jobs', 'nodes']

/**
 * Interval, in ms, of the checks whether the server still knows the subscription. A check fails if its answer has not
 * arrived when the next check is due.
 */
const checkMs = 30_000

/** Receives the wake-ups of other connections on a separate connection. */
export class WakeUps {
  readonly #client: RedisClient
  readonly #channel: string
  /**
   * Suffix of the messages that this storage's scripts publish. The storage ignores messages with this suffix, because
   * they are about its own changes.
   */
  readonly #sender: string
  readonly #clock: Clock
  readonly #listeners = new Set<Listener>()
  #subscriber: RedisClient | null = null
  #check: Timer | null = null

  constructor(client: RedisClient, channel: string, sender: string, clock: Clock = systemClock) {
    this.#client = client
    this.#channel = channel
    this.#sender = sender
    this.#clock = clock
  }

  subscribe(listener: Listener): () => void {
    // Creates a new function for each subscription, so that the same listener can subscribe twice and end each
    // subscription separately.
    const subscription: Listener = (wakeUp) => listener(wakeUp)
    this.#listeners.add(subscription)
    if (this.#subscriber === null) this.#connect()
    return () => {
      if (this.#listeners.delete(subscription) && this.#listeners.size === 0) this.close()
    }
  }

  close(): void {
    this.#listeners.clear()
    this.#disconnect()
  }

  #disconnect(): void {
    this.#check?.cancel()
    this.#subscriber?.disconnect()
    this.#subscriber = null
  }

  #connect(): void {
    const client = this.#client
    const subscriber = isCluster(client) ? client.duplicate([], { lazyConnect: true }) : client.duplicate(ownSettings)
    this.#subscriber = subscriber
    // The client reconnects, so this listener ignores the error. A lost message only delays nodes until their next poll.
    subscriber.on('error', () => {})
    subscriber.on('message', (_channel: string, message: string) => this.#hear(message))
    const listen = () => {
      subscriber.subscribe(this.#channel).then(
        // Messages of any kind may have been lost before this subscription, so listeners receive all kinds of wake-ups.
        () => {
          if (this.#subscriber === subscriber) for (const kind of kinds) this.#raise(kind)
        },
        // Ignores the failure of the subscription. If the connection broke, the client reconnects and emits `ready`,
        // which calls `listen` again.
        () => {},
      )
    }
    subscriber.on('ready', listen)
    // The server may be unavailable. The client keeps trying, and emits `ready` when it is connected.
    subscriber.connect().catch(() => {})
    this.#checkLater(subscriber, () => true)
  }

  /** Checks at intervals that the subscription still works, because a listening connection may die silently. */
  #checkLater(subscriber: RedisClient, isAnswered: () => boolean): void {
    const check = () => {
      if (isAnswered()) {
        this.#checkLater(subscriber, this.#ask(subscriber))
      } else {
        this.#disconnect()
        this.#connect()
      }
    }
    this.#check = this.#clock.setTimer(checkMs, check, { unref: true })
  }

  /**
   * Tests whether the server still answers: subscribes to the same channel again, which has no other effect. Returns a
   * function that says whether the answer has arrived. A rejection counts as an answer.
   *
   * This test needs only the right to subscribe, and uses the listening connection itself.
   */
  #ask(subscriber: RedisClient): () => boolean {
    let isAnswered = false
    const answered = () => {
      isAnswered = true
    }
    subscriber.subscribe(this.#channel).then(answered, answered)
    return () => isAnswered
  }

  #hear(message: string): void {
    const [kind, sender] = message.split(' ')
    const heard = kinds.find((known) => known === kind)
    if (heard !== undefined && sender !== this.#sender) this.#raise(heard)
  }

  #raise(kind: WakeUp['kind']): void {
    for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener({ kind })
  }
}

const ownSettings: Partial<RedisOptions> = {
  lazyConnect: true,
  autoResubscribe: false,
  enableOfflineQueue: true,
  keepAlive: keepAliveMs,
  maxRetriesPerRequest: null,
  retryStrategy: (attempt) => Math.min(attempt * 50, 1000),
}
