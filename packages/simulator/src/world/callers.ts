import { SeededRandom } from '@jobistemer/test-kit'
import { NodeLife } from './node-life.ts'
import type { World } from './world.ts'

/**
 * Budgets of `runDue` calls, in ms. Some budgets end before the due work is done. Some calls last until after the next call has
 * started.
 */
const budgetsMs: readonly number[] = [1000, 3000, 10_000, 30_000]

/** Calls `runDue` at intervals, as a serverless platform does. Each call has its own process, which a fault may kill. */
export class Callers {
  readonly lives: NodeLife[] = []
  readonly #world: World
  readonly #random: SeededRandom
  readonly #everyMs: number
  #isOver = false

  constructor(world: World) {
    this.#world = world
    this.#random = new SeededRandom(`calls of ${world.seed}`)
    this.#everyMs = this.#random.pick([2000, 10_000, 20_000])
    this.#callAndGoOn()
  }

  get alive(): readonly NodeLife[] {
    return this.lives.filter((life) => life.alive)
  }

  /** Starts no further call. */
  stop(): void {
    this.#isOver = true
  }

  #callAndGoOn(): void {
    if (this.#isOver) return
    this.#call()
    const { faults } = this.#world
    // After the faults, calls come every 5 s, so that due slots are launched in time.
    const waitMs = faults === null ? 5000 : this.#random.whole(1, 2 * this.#everyMs)
    this.#world.later(waitMs, () => this.#callAndGoOn())
  }

  #call(): void {
    const random = this.#random
    const { profile, faults } = this.#world
    const skew = faults === null ? 0 : profile.largestSkewMs
    const life = new NodeLife(this.#world, {
      nodeId: `call${this.lives.length}`,
      life: 1,
      build: faults === null || random.chance(0.5) ? 1 : 0,
      offsetMs: random.whole(-skew, skew),
      maxConcurrentJobs: faults === null ? 100 : random.pick([1, 5, 50]),
      prefetch: random.pick([0, 100]),
      callBudgetMs: faults === null ? 30_000 : random.pick(budgetsMs),
    })
    this.lives.push(life)
    life.start()
    if (faults === null || !random.chance(0.15)) return
    this.#world.countFault('killed call')
    this.#world.later(random.whole(1, 5000), () => life.crash('killed by its platform'))
  }
}
