import { createHash, randomUUID } from 'node:crypto'
import type { Logger } from '@jobistemer/core'
import type { WakeUp } from '@jobistemer/core/storage'
import type { Database } from './database.ts'
import { closeLimitMs, within } from './time-limit.ts'

type Listener = (wakeUp: WakeUp) => void

const kinds: readonly WakeUp['kind'][] = ['due', 'cancel', 'jobs', 'nodes']

/**
 * The storage sends its first notification to itself. If the notification does not arrive within this time, in ms, the
 * storage warns that wake-ups do not arrive.
 */
const trialLimitMs = 5000
const longestPauseMs = 2000
/**
 * Interval, in ms, of the checks of a listening connection. If notifications do not arrive, the storage waits for the same time
 * before it tries to listen again.
 */
const checkEveryMs = 60_000

/** A connection that receives notifications. */
export interface Ear {
  /**
   * Exempts the session from the idle timeout. Callers must first test that no pooler shares the session between
   * clients.
   */
  stay(): Promise<void>
  close(): Promise<void>
}

/**
 * Returns the channel of a schema. The name contains a hash of the schema, because channels have at most 63 bytes and are
 * common to all schemas of a database.
 */
export function channelOf(schema: string): string {
  return `jobistemer_${createHash('sha256').update(schema).digest('hex').slice(0, 32)}`
}

/** Notifies other connections of changes, and listens to their notifications on a separate connection. */
export class WakeUps {
  readonly #database: () => Promise<Database>
  readonly #channel: string
  readonly #logger: Pick<Logger, 'warn'> | null
  /** Marks the notifications of this storage, so that its own listener ignores them. */
  readonly #sender: string = randomUUID()
  readonly #listeners = new Set<Listener>()
  /** While the storage is sending a notification: the kinds of wake-up for the next notification. Otherwise `null`. */
  #untold: Set<WakeUp['kind']> | null = null
  #telling: Promise<void> = Promise.resolve()
  #hearing: Hearing | null = null
  #hasWarned = false

  constructor(database: () => Promise<Database>, schema: string, logger: Pick<Logger, 'warn'> | null) {
    this.#database = database
    this.#channel = channelOf(schema)
    this.#logger = logger
  }

  /**
   * Sends a notification of these kinds. If the storage is still sending an earlier notification, adds the kinds to the next
   * notification instead.
   */
  notify(news: ReadonlySet<WakeUp['kind']>): void {
    // Ignores an error: if a notification is lost, other nodes see the changes at their next poll.
    if (this.#untold === null) this.#telling = this.#tell(news).catch(() => {})
    else for (const kind of news) this.#untold.add(kind)
  }

  async #tell(news: ReadonlySet<WakeUp['kind']>): Promise<void> {
    let next = news
    this.#untold = new Set()
    try {
      while (next.size > 0) {
        const untold = new Set<WakeUp['kind']>()
        this.#untold = untold
        // NOTIFY runs after the commit. If a step's transaction contained the NOTIFY, all commits of the database would
        // wait for each other.
        const text = [this.#sender, ...next].join(' ')
        await (await this.#database()).query('SELECT pg_notify($1::text, $2::text)', [this.#channel, text])
        next = untold
      }
    } finally {
      this.#untold = null
    }
  }

  subscribe(listener: Listener): () => void {
    // A caller may subscribe with the same function twice. So each subscription gets its own wrapper, and ends
    // separately.
    const subscription: Listener = (wakeUp) => listener(wakeUp)
    this.#listeners.add(subscription)
    if (this.#hearing === null) {
      this.#hearing = new Hearing(this.#database, this.#channel, {
        onText: (text) => this.#hear(text),
        onStart: () => this.#raise(kinds),
        onDeaf: () => this.#warn(),
      })
    }
    return () => {
      if (this.#listeners.delete(subscription) && this.#listeners.size === 0) this.#stopHearing()
    }
  }

  /** Closes the listening connection. Resolves when all pending notifications are sent, or after `closeLimitMs`. */
  async close(): Promise<void> {
    this.#listeners.clear()
    await within<unknown>(closeLimitMs, Promise.all([this.#telling, this.#stopHearing()]), () => {})
  }

  async #stopHearing(): Promise<void> {
    const hearing = this.#hearing
    this.#hearing = null
    await hearing?.stop()
  }

  #hear(text: string): void {
    const [sender, ...news] = text.split(' ')
    if (sender !== this.#sender) this.#raise(kinds.filter((kind) => news.includes(kind)))
  }

  #warn(): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    const message =
      'wake-ups do not arrive, and nodes will poll: a pooler shares the connections between transactions. ' +
      'Connect the storage to PostgreSQL directly, or open it with wakeUps: false.'
    if (this.#logger === null) process.emitWarning(`jobistemer: ${message}`, { code: 'JOBISTEMER_NO_WAKE_UPS' })
    else this.#logger.warn({ channel: this.#channel }, message)
  }

  #raise(news: readonly WakeUp['kind'][]): void {
    for (const kind of news) {
      for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener({ kind })
    }
  }
}

interface HearingEvents {
  onText(text: string): void
  onStart(): void
  /** `Hearing` calls this function if the listening connection is intact, but no notifications arrive. */
  onDeaf(): void
}

/** Keeps one listening connection while there are subscriptions, and replaces a broken one. */
class Hearing {
  readonly #database: () => Promise<Database>
  readonly #channel: string
  readonly #events: HearingEvents
  readonly #trial: string = `trial-${randomUUID()}`
  readonly #ended: Promise<void>
  #isStopped = false
  /**
   * Ends the pause that the listening loop is making now. The loop then checks its connection, or tries to connect, at once.
   */
  #wake: () => void = () => {}

  constructor(database: () => Promise<Database>, channel: string, events: HearingEvents) {
    this.#database = database
    this.#channel = channel
    this.#events = events
    this.#ended = this.#run()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
    await this.#ended
  }

  /** Connects, and retries after each failure. Meanwhile wake-ups are lost, and nodes poll. */
  async #run(): Promise<void> {
    for (let failures = 0; !this.#isStopped; ) {
      const end = await this.#listen().catch(() => 'failed')
      failures = end === 'failed' ? failures + 1 : 0
      if (end === 'deaf') this.#events.onDeaf()
      await this.#pause(end === 'deaf' ? checkEveryMs : Math.min(50 * 2 ** Math.min(failures, 10), longestPauseMs))
    }
  }

  /**
   * Listens on one connection until it is lost. Checks the connection by a test notification that this storage sends to
   * itself, at first and then every minute.
   *
   * If the first test notification does not arrive on an intact connection, returns `deaf`. In all other cases, returns
   * `lost`.
   */
  async #listen(): Promise<'deaf' | 'lost'> {
    const database = await this.#database()
    let [isHeard, isLost] = [false, false]
    const onText = (text: string) => {
      if (text !== this.#trial) return this.#events.onText(text)
      isHeard = true
      this.#wake()
    }
    const onLost = () => {
      isLost = true
      this.#wake()
    }
    const ear = await database.listen(this.#channel, onText, onLost)
    try {
      for (let isFirst = true; ; isFirst = false) {
        isHeard = false
        await database.query('SELECT pg_notify($1::text, $2::text)', [this.#channel, this.#trial])
        if (!isHeard && !isLost) await this.#pause(trialLimitMs)
        if (isLost || this.#isStopped) return 'lost'
        if (!isHeard) return isFirst ? 'deaf' : 'lost'
        if (isFirst) await ear.stay()
        // Before this connection was open, notifications may have been lost. So listeners now receive wake-ups of all
        // kinds.
        if (isFirst) this.#events.onStart()
        if (!isLost) await this.#pause(checkEveryMs)
        if (isLost || this.#isStopped) return 'lost'
      }
    } finally {
      // This code no longer uses the listening connection, so an error of its close does not matter.
      await ear.close().catch(() => {})
    }
  }

  async #pause(limitMs: number): Promise<void> {
    if (this.#isStopped) return
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    await within(limitMs, woken, () => {})
  }
}
