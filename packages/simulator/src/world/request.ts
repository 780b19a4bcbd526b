import { type CallOptions, type JobId, JobistemerError, type TriggerResult } from '@jobistemer/core'
import type { Fleet } from './fleet.ts'
import type { NodeLife } from './node-life.ts'
import { tellRefusal } from './refused.ts'
import type { World } from './world.ts'

/** A user's trigger or replay, including its retries. */
export interface UserRequest {
  /** Equal for all retries of a request. Handlers receive it. */
  readonly name: string
  /** `undefined`: the request is sent once, because a second one would create another run. */
  readonly key: string | undefined
  readonly jobId: JobId
  send(life: NodeLife, options: CallOptions & { readonly key?: string; readonly data: string }): Promise<TriggerResult>
}

const mostTries = 4

/** Error codes that leave open whether the request took effect. */
const unknownCodes = ['STORAGE_TIMEOUT', 'ABORTED', 'SCHEDULER_STATE']

/** A user of a key whose request got no answer: retries it up to 15 s later, on any node. */
export class Asking {
  readonly #world: World
  readonly #fleet: Fleet
  readonly #request: UserRequest
  #tries = 0

  constructor(world: World, fleet: Fleet, request: UserRequest) {
    this.#world = world
    this.#fleet = fleet
    this.#request = request
  }

  async ask(life: NodeLife, options: CallOptions): Promise<string> {
    const { name, key, jobId } = this.#request
    this.#tries++
    try {
      const { id, state, created } = await this.#request.send(life, {
        ...options,
        ...(key !== undefined && { key }),
        data: name,
      })
      this.#world.history.add(life.name, { kind: 'request.answered', request: name, jobId, id })
      return `${name}: ${id} ${state} ${created ? 'created' : 'known'}`
    } catch (error) {
      if (JobistemerError.isInstance(error) && unknownCodes.includes(error.code)) this.#askAgainLater()
      throw error
    }
  }

  #askAgainLater(): void {
    const { random } = this.#world
    if (this.#request.key === undefined || this.#tries === mostTries) return
    this.#world.later(random.whole(0, 15_000), () => {
      const { usable } = this.#fleet
      if (usable.length === 0) return
      const life = random.pick(usable)
      this.ask(life, {}).then(
        (detail) => this.#world.history.add(life.name, { kind: 'operation', operation: 'ask again', detail }),
        (error) => tellRefusal(this.#world, life, { operation: 'ask again', detail: this.#request.name, error }),
      )
    })
  }
}

/** The name of a request. Requests with the same key share it; each request without a key has a new one. */
export function requestName(
  world: World,
  { kind, base, key }: { readonly kind: 'trigger' | 'replay'; readonly base: string; readonly key: string | undefined },
): string {
  return `${kind} ${base} ${key ?? `number ${++world.counts.requests}`}`
}
