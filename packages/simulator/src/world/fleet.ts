import { NodeLife } from './node-life.ts'
import type { World } from './world.ts'

/** The nodes of a simulation: living nodes, and dead nodes that will return. */
export class Fleet {
  readonly lives: NodeLife[] = []
  readonly #world: World
  readonly #size: number
  readonly #lifeCounts = new Map<string, number>()
  #names = 0
  #newestBuild = 0

  constructor(world: World) {
    this.#world = world
    this.#size = world.random.pick([1, 2, 2, 3, 3, 4])
    if (world.calls === 'alone') this.#size = 0
    for (let index = 0; index < this.#size; index++) this.#startNew()
  }

  get alive(): readonly NodeLife[] {
    return this.lives.filter((life) => life.alive)
  }

  get usable(): readonly NodeLife[] {
    return this.lives.filter((life) => life.usable)
  }

  /** Starts nodes, under old or new names, until `atLeast` nodes are alive. */
  refill(options: { readonly atLeast: number }): void {
    const { random } = this.#world
    while (this.alive.length < options.atLeast) {
      const gone = this.lives.filter((life) => !this.alive.some((other) => other.nodeId === life.nodeId))
      if (gone.length > 0 && random.chance(0.7)) this.#start(random.pick(gone).nodeId)
      else this.#startNew()
    }
  }

  /** With some probability, starts a node if fewer nodes are alive than at the start of the simulation. */
  maybeRefill(): void {
    if (this.alive.length < this.#size && this.#world.random.chance(0.3))
      this.refill({ atLeast: this.alive.length + 1 })
  }

  /** Starts a node with the newest build, and with enough capacity for all waiting occurrences. */
  startNewest(): void {
    this.#newestBuild = 1
    this.#start(this.#newName(), { build: 1, maxConcurrentJobs: 100 })
  }

  #startNew(): void {
    this.#start(this.#newName())
  }

  #newName(): string {
    const number = this.#names++
    return String.fromCharCode(97 + (number % 26)) + (number < 26 ? '' : Math.floor(number / 26))
  }

  #start(nodeId: string, settings?: { readonly build: number; readonly maxConcurrentJobs: number }): void {
    const { random, profile, faults } = this.#world
    const life = (this.#lifeCounts.get(nodeId) ?? 0) + 1
    this.#lifeCounts.set(nodeId, life)
    if (random.chance(0.2)) this.#newestBuild = 1
    const build = this.#newestBuild === 1 && random.chance(0.8) ? 1 : 0
    const skew = faults === null ? 0 : profile.largestSkewMs
    const started = new NodeLife(this.#world, {
      nodeId,
      life,
      build,
      offsetMs: random.whole(-skew, skew),
      maxConcurrentJobs: random.pick([1, 2, 5, 50]),
      prefetch: random.pick([0, 3, 100]),
      ...settings,
    })
    this.lives.push(started)
    started.start()
  }
}
