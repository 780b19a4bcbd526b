import type { DurationInput, JobOperations, Scheduler } from '@jobistemer/core'

/** The result of a health indicator, in the form of `@nestjs/terminus`. */
export type HealthReport<Key extends string> = Record<
  Key,
  { readonly status: 'up' | 'down' } & Readonly<Record<string, unknown>>
>

/**
 * A health indicator that checks whether this process can run jobs, or reach the storage if it has only a client. Works
 * with `HealthCheckService` of `@nestjs/terminus`, and without it.
 *
 * @example
 * check() { return this.health.check([() => this.jobistemer.isHealthy('jobs')]) }
 */
export class JobistemerHealth {
  readonly #jobs: Pick<JobOperations, 'nodes'>
  readonly #own: Pick<Scheduler, 'nodeId' | 'incarnation'> | null

  /** `own` is the node of this process; `null` in a process without a node. */
  constructor(jobs: Pick<JobOperations, 'nodes'>, own: Pick<Scheduler, 'nodeId' | 'incarnation'> | null) {
    this.#jobs = jobs
    this.#own = own
  }

  /**
   * Returns `up` if this node runs and the storage confirms within the timeout (default 1 s) that the node lives. For a
   * client, returns `up` if the storage answers. Otherwise returns `down` with the reason. Never rejects.
   */
  async isHealthy<Key extends string = 'jobistemer'>(
    key: Key = 'jobistemer' as Key,
    options: { readonly timeout?: DurationInput } = {},
  ): Promise<HealthReport<Key>> {
    return { [key]: await this.#look(options.timeout ?? 1000) } as HealthReport<Key>
  }

  async #look(timeout: DurationInput): Promise<HealthReport<string>[string]> {
    const node = this.#own?.nodeId ?? null
    try {
      const nodes = await this.#jobs.nodes({ timeout })
      const living = nodes.filter(({ state }) => state === 'working').length
      if (node === null) return { status: 'up', nodes: living }
      // A restarted process can have the same node name and process id. So this check compares incarnations.
      const own = nodes.find(({ incarnation }) => incarnation === this.#own?.incarnation)
      const state = own?.state ?? 'unknown'
      return { status: state === 'working' ? 'up' : 'down', node, state, running: own?.running ?? 0, nodes: living }
    } catch (error) {
      const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
      return { status: 'down', ...(node !== null && { node }), code, message }
    }
  }
}
