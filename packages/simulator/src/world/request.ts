import { type CallOptions, type JobId, JobistemerError, type TriggerResult } from '@jobistemer/core'
import type { Fleet } from './fleet.ts'
import type { NodeLife } from './node-life.ts'
import { tellRefusal } from './refused.ts'
import type { World } from './world.ts'

/** A user's trigger or replay, with its repetitions. */
export interface UserRequest {
  /** The name that all repetitions of the request share. Handlers receive it as their input. */
  readonly name: string
  /** The request's key. `undefined`: the request is not repeated, because a repetition would create another run. */
  readonly key: string | undefined
  readonly jobId: JobId
  send(life: NodeLife, options: CallOptions & { readonly key?: string; readonly data: string }): Promise<TriggerResult>
}

const mostTries = 4

/** Error codes after which the request may have taken effect. */
const unknownCodes = ['STORAGE_TIMEOUT', 'ABORTED', 'SCHEDULER_STATE']

/** Sends a user's request. If a request with a key gets no answer, repeats it within 15 s on any node. */
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

/** Returns the name of a request. Requests with the same key have the same name; each request without a key has a new name. */
export function requestName(
  world: World,
  { kind, base, key }: { readonly kind: 'trigger' | 'replay'; readonly base: string; readonly key: string | undefined },
): string {
  return `${kind} ${base} ${key ?? `number ${++world.counts.requests}`}`
}
