import type { CallOptions } from './engine/loop/asked-calls.ts'
import type { Operations } from './engine/operations/operations.ts'
import type { RemoveOptions } from './engine/operations/removals.ts'
import type { TriggerOptions, TriggerResult } from './engine/operations/request-options.ts'
import type { Job } from './job/define-job.ts'
import type { JobOperations } from './job-operations.ts'
import { listing, pageOf } from './listing.ts'

/** Hands a call to an engine's operations, when they can be called. */
export type Asking = <T>(options: CallOptions | undefined, call: (operations: Operations) => Promise<T>) => Promise<T>

/** What the users of a scheduler and of a client hold: all that both can be asked for. */
export class OperationsFace implements JobOperations {
  readonly changes: JobOperations['changes']
  readonly #ask: Asking

  constructor(operations: Operations, ask: Asking) {
    this.#ask = ask
    this.changes = (options) => operations.changes(options)
  }

  trigger(job: string | Job, options?: TriggerOptions): Promise<TriggerResult> {
    return this.#ask(options, (operations) => operations.trigger(job, options))
  }

  triggerMany: JobOperations['triggerMany'] = (items, options) =>
    this.#ask(options, (operations) => operations.triggerMany(items, options))

  replay: JobOperations['replay'] = (id, options) => this.#ask(options, (operations) => operations.replay(id, options))

  backfill: JobOperations['backfill'] = (name, options) =>
    this.#ask(options, (operations) => operations.backfill(name, options))

  stopBackfill: JobOperations['stopBackfill'] = (name, key, options) =>
    this.#ask(options, (operations) => operations.stopBackfill(name, key, options))

  cancel: JobOperations['cancel'] = (id, options) => this.#ask(options, (operations) => operations.cancel(id, options))

  cancelSlot: JobOperations['cancelSlot'] = (name, at, options) =>
    this.#ask(options, (operations) => operations.cancelSlot(name, at, options))

  pause: JobOperations['pause'] = (name, options) => this.#ask(options, (operations) => operations.pause(name, options))

  resume: JobOperations['resume'] = (name, options) =>
    this.#ask(options, (operations) => operations.resume(name, options))

  pauseAll: JobOperations['pauseAll'] = (filter, options) =>
    this.#ask(options, (operations) => operations.pauseAll(filter, options))

  resumeAll: JobOperations['resumeAll'] = (filter, options) =>
    this.#ask(options, (operations) => operations.resumeAll(filter, options))

  waitFor: JobOperations['waitFor'] = (id, options) =>
    this.#ask(undefined, (operations) => operations.waitFor(id, options))

  versions: JobOperations['versions'] = (name, options) =>
    this.#ask(options, (operations) => operations.versions(name, options))

  update: JobOperations['update'] = (name, change, options) =>
    this.#ask(options, (operations) => operations.update(name, change, options))

  add: JobOperations['add'] = (jobs, options) => this.#ask(options, (operations) => operations.add(jobs, options))

  remove(name: string, options?: RemoveOptions): Promise<void>
  remove(names: readonly string[], options?: CallOptions): Promise<readonly string[]>
  async remove(names: string | readonly string[], options?: RemoveOptions): Promise<never> {
    return (await this.#ask(options, (operations) => operations.remove(names as string, options))) as never
  }

  plan: JobOperations['plan'] = (jobs, options) => this.#ask(options, (operations) => operations.plan(jobs, options))

  apply: JobOperations['apply'] = (plan, options) => this.#ask(options, (operations) => operations.apply(plan, options))

  realign: JobOperations['realign'] = (name, options) =>
    this.#ask(options, (operations) => operations.realign(name, options))

  nextRuns: JobOperations['nextRuns'] = (name, count, options) =>
    this.#ask(options, (operations) => operations.nextRuns(name, count, options))

  explain: JobOperations['explain'] = (name, at, options) =>
    this.#ask(options, (operations) => operations.explain(name, at, options))

  nodes: JobOperations['nodes'] = (options) => this.#ask(options, (operations) => operations.nodes(options))

  prune: JobOperations['prune'] = (options) => this.#ask(options, (operations) => operations.prune(options))

  isRunning: JobOperations['isRunning'] = (name, options) =>
    this.#ask(options, (operations) => operations.isRunning(name, options))

  occurrences: JobOperations['occurrences'] = (filter, options) =>
    listing((cursor) => this.#ask(options, (operations) => operations.occurrences(pageOf(filter, cursor), options)))

  failures: JobOperations['failures'] = (filter = {}, options) =>
    listing((cursor) => this.#ask(options, (operations) => operations.failures(pageOf(filter, cursor), options)))

  live: JobOperations['live'] = (filter = {}, options) =>
    listing((cursor) => this.#ask(options, (operations) => operations.live(pageOf(filter, cursor), options)))

  jobs: JobOperations['jobs'] = (filter = {}, options) =>
    listing((cursor) => this.#ask(options, (operations) => operations.jobs(pageOf(filter, cursor), options)))

  job: JobOperations['job'] = (name, options) => this.#ask(options, (operations) => operations.job(name, options))

  occurrence: JobOperations['occurrence'] = (id, options) =>
    this.#ask(options, (operations) => operations.occurrence(id, options))

  counts: JobOperations['counts'] = (name, options) =>
    this.#ask(options, (operations) => operations.counts(name, options))
}
