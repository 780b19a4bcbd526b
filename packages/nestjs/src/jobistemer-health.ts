import type { DurationInput, Scheduler } from '@jobistemer/core'
import { Inject, Injectable } from '@nestjs/common'
import { schedulerToken } from './tokens.ts'

/** What `@nestjs/terminus` takes as the result of an indicator. */
export type HealthReport<Key extends string> = Record<
  Key,
  { readonly status: 'up' | 'down' } & Readonly<Record<string, unknown>>
>

/**
 * Says whether this node works: for `HealthCheckService` of `@nestjs/terminus`, or for any other check.
 *
 * @example
 * check() { return this.health.check([() => this.jobistemer.isHealthy('jobs')]) }
 */
export class JobistemerHealth {
  readonly #scheduler: Scheduler

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /**
   * `up` when this node runs and the storage answers in time (default 1 s) that it lives; otherwise `down`, and why. Never
   * rejects.
   */
  async isHealthy<Key extends string = 'jobistemer'>(
    key: Key = 'jobistemer' as Key,
    options: { readonly timeout?: DurationInput } = {},
  ): Promise<HealthReport<Key>> {
    return { [key]: await this.#look(options.timeout ?? 1000) } as HealthReport<Key>
  }

  async #look(timeout: DurationInput): Promise<HealthReport<string>[string]> {
    const { nodeId } = this.#scheduler
    try {
      const nodes = await this.#scheduler.nodes({ timeout })
      const own = nodes.findLast(({ node, pid }) => node === nodeId && pid === process.pid)
      const state = own?.state ?? 'unknown'
      const living = nodes.filter((node) => node.state === 'working').length
      const detail = { node: nodeId, state, running: own?.running ?? 0, nodes: living }
      return { status: state === 'working' ? 'up' : 'down', ...detail }
    } catch (error) {
      const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
      return { status: 'down', node: nodeId, code, message }
    }
  }
}

Injectable()(JobistemerHealth)
Inject(schedulerToken)(JobistemerHealth, undefined, 0)
