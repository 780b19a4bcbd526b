import type { Client, Clock, Logger } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { CliError } from './cli-error.ts'
import { exitCodes } from './exit-codes.ts'
import type { Io } from './io.ts'
import { type LoadedConfig, loadConfig } from './storage/load-config.ts'
import { type Location, printLocation, readLocation } from './storage/location.ts'
import { inspectPostgres, type OpenOptions, openStorage, type PostgresInspection } from './storage/open-storage.ts'

/** The command-line options that select the storage, and what the command may do with it. */
export interface SessionOptions {
  readonly storage: string | undefined
  readonly config: string | false | undefined
  readonly prefix: string | undefined
  readonly timeoutMs: number
  /** Whether the command may create the tables in an existing SQLite file that has no tables. */
  readonly createsTables: boolean
}

/** A storage location from the command line or the configuration, with the options for opening the storage. */
export interface Located {
  readonly location: Location
  readonly options: OpenOptions
}

/** Maximum time in ms for which a command waits for the client or the storage to close. */
const closeMs = 1000

/** Opens the storage, the client and the configuration when a command first needs them, and closes them at the end. */
export class Session {
  /** Warnings that the storage and the client have logged. */
  readonly warnings: { readonly fields: object; readonly message: string }[] = []
  /** The location of the storage as text without secrets; empty until the storage is opened. */
  place = ''
  readonly #io: Io
  readonly #options: SessionOptions
  readonly #logger: Logger
  #config: Promise<LoadedConfig> | undefined
  /** How far this machine's clock is ahead of the storage's clock, in ms. */
  #aheadMs = 0
  #storage: Promise<Storage> | undefined
  #answering: Promise<Storage> | undefined
  #client: Promise<Client> | undefined
  #configured: Promise<Storage | string | undefined> | undefined

  constructor(io: Io, options: SessionOptions) {
    this.#io = io
    this.#options = options
    const keep = (fields: object, message: string): void => {
      this.warnings.push({ fields, message })
    }
    this.#logger = { debug: () => undefined, info: () => undefined, warn: keep, error: keep }
  }

  config(): Promise<LoadedConfig> {
    this.#config ??= loadConfig(this.#io, this.#options.config)
    return this.#config
  }

  /**
   * Returns the opened storage.
   * @throws CliError, or the error of the storage, if the storage is unavailable
   */
  storage(): Promise<Storage> {
    this.#storage ??= this.#openStorage()
    this.#answering ??= this.#storage.then((storage) => this.#answers(storage))
    return this.#answering
  }

  client(): Promise<Client> {
    this.#client ??= this.#openClient()
    return this.#client
  }

  /** The value of the option `--prefix`. Ignores the prefix in the configuration. */
  get prefix(): string | undefined {
    return this.#options.prefix
  }

  async clock(): Promise<Clock> {
    return this.#io.clock ?? (await import('@jobistemer/core')).systemClock
  }

  /**
   * Closes the client and the storage, if they were opened. Never throws. Waits at most {@link closeMs} for each of them,
   * because a client that waits for a locked or unreachable storage may never close.
   */
  async close(): Promise<void> {
    const [client, storage] = await Promise.allSettled([this.#client, this.#storage])
    // If the client or the storage failed to open, the command reports the error.
    if (client.status === 'fulfilled' && client.value !== undefined) await closed(client.value)
    if (storage.status === 'fulfilled' && storage.value !== undefined) await closed(storage.value)
  }

  /** Returns the location of the storage, or `null` if the configuration opens the storage itself. */
  async located(): Promise<Located | null> {
    const { config, folder } = await this.config()
    const { env, cwd } = this.#io
    const { timeoutMs, createsTables } = this.#options
    const prefix = this.#options.prefix ?? config.prefix
    const options = { cwd, prefix, timeoutMs, createsTables, logger: this.#logger }
    const asked = this.#options.storage ?? env.JOBISTEMER_STORAGE
    if (asked !== undefined && asked !== '') {
      const field = this.#options.storage === undefined ? 'JOBISTEMER_STORAGE' : '--storage'
      return this.#at(readLocation(asked, field), { ...options, folder: cwd })
    }
    const given = await this.#given()
    return typeof given === 'string' ? this.#at(readLocation(given, 'storage'), { ...options, folder }) : null
  }

  #at(location: Location, options: OpenOptions): Located {
    this.place = printLocation(location)
    return { location, options }
  }

  /**
   * Inspects the PostgreSQL server. Returns `null` for other storages, and for a storage that the configuration opens.
   */
  async inspection(): Promise<PostgresInspection | null> {
    const located = await this.located()
    return located?.location.kind === 'postgres' ? await inspectPostgres(located.location.url, located.options) : null
  }

  async #openStorage(): Promise<Storage> {
    const located = await this.located()
    if (located !== null) return openStorage(located.location, located.options)
    const given = await this.#given()
    if (given === undefined || typeof given === 'string') {
      throw new CliError({
        code: 'STORAGE_NOT_GIVEN',
        message: 'No storage is given.',
        field: '--storage',
        remedy: 'Give --storage sqlite:jobs.db, set JOBISTEMER_STORAGE, or write a jobistemer.config.ts.',
      })
    }
    this.place = 'the storage of the configuration'
    return given
  }

  /**
   * Returns the member `storage` of the configuration: a storage, the location of a storage, or `undefined`. If the member is
   * a function, returns its result, and calls the function at most once.
   */
  #given(): Promise<Storage | string | undefined> {
    this.#configured ??= this.config().then(async ({ config: { storage } }) => {
      return typeof storage === 'function' ? await storage() : storage
    })
    return this.#configured
  }

  /** Reads the storage's clock once, to get the error of an unavailable storage. A client would only report its timeout. */
  async #answers(storage: Storage): Promise<Storage> {
    const reading = storage.serverTime?.bind(storage)
    if (reading === undefined) return storage
    const { timeoutMs } = this.#options
    const clock = await this.clock()
    const askedAt = clock.now()
    const time = await new Promise<number>((resolve, reject) => {
      const timer = clock.setTimer(timeoutMs, () => reject(silent(this.place, timeoutMs)))
      reading()
        .finally(() => timer.cancel())
        .then(resolve, reject)
    })
    this.#aheadMs = (askedAt + clock.now()) / 2 - time
    return storage
  }

  /** Returns the storage's time as a clock for the client, so that a wrong clock of this machine has no effect. */
  async #clockOfClient(): Promise<Clock> {
    const clock = await this.clock()
    if (clock.isAuthoritative === true) return clock
    const aheadMs = this.#aheadMs
    return { ...clock, isAuthoritative: true, now: () => Math.floor(clock.now() - aheadMs) }
  }

  async #openClient(): Promise<Client> {
    const [{ createClient }, storage, { config }] = await Promise.all([
      import('@jobistemer/core'),
      this.storage(),
      this.config(),
    ])
    const { scheduleTypes, defaults } = config
    return createClient({
      storage,
      callTimeout: this.#options.timeoutMs,
      logger: this.#logger,
      ...(scheduleTypes !== undefined && { scheduleTypes }),
      ...(defaults !== undefined && { defaults }),
      clock: await this.#clockOfClient(),
    })
  }
}

/** Closes a client or a storage. Resolves when it is closed, or after {@link closeMs}. */
async function closed(opened: { close(): Promise<void> }): Promise<void> {
  // A test may replace the clock of the program, but the close takes real time.
  const { systemClock } = await import('@jobistemer/core')
  await new Promise<void>((resolve) => {
    const timer = systemClock.setTimer(closeMs, resolve)
    const close = async (): Promise<void> => opened.close()
    close()
      // Expected here: any error of the close, which does not change the result of the command.
      .catch(() => undefined)
      .finally(() => {
        timer.cancel()
        resolve()
      })
  })
}

function silent(place: string, timeoutMs: number): CliError {
  return new CliError({
    code: 'STORAGE_TIMEOUT',
    message: `The storage has not answered within ${timeoutMs} ms: ${place}.`,
    field: '--timeout',
    remedy: 'Look whether it is overloaded or behind a firewall, or give it more time.',
    exitCode: exitCodes.storage,
  })
}
