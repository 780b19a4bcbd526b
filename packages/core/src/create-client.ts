import type { Client, ClientOptions } from './client.ts'
import { readObject } from './configuration/read-value.ts'
import { Engine } from './engine/engine.ts'
import type { CallOptions } from './engine/loop/asked-calls.ts'
import type { RemoveOptions } from './engine/operations/removals.ts'
import type { TriggerOptions, TriggerResult } from './engine/operations/request-options.ts'
import type { Job } from './job/define-job.ts'
import type { JobOperations } from './job-operations.ts'
import { listing, pageOf } from './listing.ts'
import { readSchedulerOptions } from './scheduler-options.ts'
import { methodsOutside } from './tracing/outside-traces.ts'

const optionNames = ['storage', 'defaults', 'callTimeout', 'scheduleTypes', 'logger', 'tracing', 'clock']

/**
 * Makes a client: everything but running, from any process, without code or handlers.
 *
 * @example
 * const client = createClient({ storage: sqliteStorage({ file: 'jobs.db' }) })
 * await client.trigger('report', { data: { day: '2026-01-01' } })
 * await client.close()
 *
 * @throws JobistemerError naming the option: `INVALID_ARGUMENT`, `INVALID_DURATION`, `UNKNOWN_OPTION`
 */
export function createClient(options: ClientOptions): Client {
  readObject(options, '', optionNames)
  const engine = new Engine(readSchedulerOptions(options), { isClient: true })
  const client = new EngineClient(engine)
  return engine.tracing === null ? client : methodsOutside(client, engine.tracing)
}

/** An engine that is asked and runs nothing. Each call connects it, if none has before. */
class EngineClient implements Client {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async trigger(job: string | Job, options?: TriggerOptions): Promise<TriggerResult> {
    return (await this.#connected(options)).trigger(job, options)
  }

  triggerMany: JobOperations['triggerMany'] = async (items, options) =>
    (await this.#connected(options)).triggerMany(items, options)

  replay: JobOperations['replay'] = async (id, options) => (await this.#connected(options)).replay(id, options)

  backfill: JobOperations['backfill'] = async (name, options) =>
    (await this.#connected(options)).backfill(name, options)

  stopBackfill: JobOperations['stopBackfill'] = async (name, key, options) =>
    (await this.#connected(options)).stopBackfill(name, key, options)

  cancel: JobOperations['cancel'] = async (id, options) => (await this.#connected(options)).cancel(id, options)

  cancelSlot: JobOperations['cancelSlot'] = async (name, at, options) =>
    (await this.#connected(options)).cancelSlot(name, at, options)

  pause: JobOperations['pause'] = async (name, options) => (await this.#connected(options)).pause(name, options)

  resume: JobOperations['resume'] = async (name, options) => (await this.#connected(options)).resume(name, options)

  pauseAll: JobOperations['pauseAll'] = async (filter, options) =>
    (await this.#connected(options)).pauseAll(filter, options)

  resumeAll: JobOperations['resumeAll'] = async (filter, options) =>
    (await this.#connected(options)).resumeAll(filter, options)

  waitFor: JobOperations['waitFor'] = async (id, options) => (await this.#connected()).waitFor(id, options)

  changes: JobOperations['changes'] = (options) => this.#engine.changes(options)

  versions: JobOperations['versions'] = async (name, options) =>
    (await this.#connected(options)).versions(name, options)

  update: JobOperations['update'] = async (name, change, options) =>
    (await this.#connected(options)).update(name, change, options)

  add: JobOperations['add'] = async (jobs, options) => (await this.#connected(options)).add(jobs, options)

  plan: JobOperations['plan'] = async (jobs, options) => (await this.#connected(options)).plan(jobs, options)

  apply: JobOperations['apply'] = async (plan, options) => (await this.#connected(options)).apply(plan, options)

  realign: JobOperations['realign'] = async (name, options) => (await this.#connected(options)).realign(name, options)

  explain: JobOperations['explain'] = async (name, at, options) =>
    (await this.#connected(options)).explain(name, at, options)

  nodes: JobOperations['nodes'] = async (options) => (await this.#connected(options)).nodes(options)

  prune: JobOperations['prune'] = async (options) => (await this.#connected(options)).prune(options)

  isRunning: JobOperations['isRunning'] = async (name, options) =>
    (await this.#connected(options)).isRunning(name, options)

  occurrences: JobOperations['occurrences'] = (filter, options) =>
    listing(async (cursor) => (await this.#connected(options)).occurrences(pageOf(filter, cursor), options))

  failures: JobOperations['failures'] = (filter = {}, options) =>
    listing(async (cursor) => (await this.#connected(options)).failures(pageOf(filter, cursor), options))

  live: JobOperations['live'] = (filter = {}, options) =>
    listing(async (cursor) => (await this.#connected(options)).live(pageOf(filter, cursor), options))

  jobs: JobOperations['jobs'] = (filter = {}, options) =>
    listing(async (cursor) => (await this.#connected(options)).jobs(pageOf(filter, cursor), options))

  job: JobOperations['job'] = async (name, options) => (await this.#connected(options)).job(name, options)

  occurrence: JobOperations['occurrence'] = async (id, options) =>
    (await this.#connected(options)).occurrence(id, options)

  counts: JobOperations['counts'] = async (name, options) => (await this.#connected(options)).counts(name, options)

  remove(name: string, options?: RemoveOptions): Promise<void>
  remove(names: readonly string[], options?: CallOptions): Promise<readonly string[]>
  async remove(names: string | readonly string[], options?: RemoveOptions): Promise<never> {
    const engine = await this.#connected(options)
    return (await engine.remove(names as string, options)) as never
  }

  async nextRuns(name: string, count = 5, options: CallOptions = {}): Promise<readonly Date[]> {
    return (await this.#connected(options)).nextRunsOf(name, count, options)
  }

  close(): Promise<void> {
    return this.#engine.disconnect()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #connected(options: CallOptions = {}): Promise<Engine> {
    await this.#engine.connect(options)
    return this.#engine
  }
}
