import type { Client, Scheduler } from '@jobistemer/core'
import type { OnApplicationBootstrap, OnApplicationShutdown, OnModuleDestroy } from '@nestjs/common'
import type { JobsUntilTheEnd } from './jobs-until-the-end.ts'
import type { JobistemerClientOptions, JobistemerModuleOptions } from './module-options.ts'

/**
 * Starts the scheduler after the application has started, and shuts it down before the application's providers close. Requests
 * for runs work until the server closes.
 */
export class Lifecycle implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  readonly #scheduler: Scheduler
  readonly #jobs: JobsUntilTheEnd
  readonly #options: JobistemerModuleOptions

  constructor(scheduler: Scheduler, jobs: JobsUntilTheEnd, options: JobistemerModuleOptions) {
    this.#scheduler = scheduler
    this.#jobs = jobs
    this.#options = options
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.#options.start === false) return
    await this.#scheduler.start()
    this.#jobs.schedulerRuns()
  }

  async onModuleDestroy(): Promise<void> {
    this.#jobs.schedulerEnds()
    await this.#scheduler.shutdown()
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#jobs.close()
    if (this.#options.closeStorage !== false) await this.#options.storage.close()
  }
}

/** Closes the client after Nest has answered pending requests. */
export class ClientLifecycle implements OnApplicationShutdown {
  readonly #client: Client
  readonly #options: JobistemerClientOptions

  constructor(client: Client, options: JobistemerClientOptions) {
    this.#client = client
    this.#options = options
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#client.close()
    if (this.#options.closeStorage !== false) await this.#options.storage.close()
  }
}
