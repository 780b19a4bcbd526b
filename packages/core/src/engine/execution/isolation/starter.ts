import type { IsolatedWork } from '../../../job/isolated-work.ts'
import type { Child } from './child.ts'
import { StarterProcess } from './starter-process.ts'

/**
 * Starts processes for a node, through a small starter process. A new starter process replaces it after its death, and after
 * the node has changed its user or groups.
 */
export class Starter {
  readonly #living = new Set<StarterProcess>()
  #present: { readonly process: StarterProcess; readonly identity: string } | null = null

  /**
   * Starts the starter process early: a fork is cheaper while the node uses little memory.
   *
   * @throws the system error if the starter process cannot be started
   */
  prepare(): void {
    this.#get()
  }

  /** @throws the system error if the process cannot be started */
  start(work: IsolatedWork): Child {
    return this.#get().start(work)
  }

  /** Ends the starter processes and all their children. Resolves when the starter processes have exited. */
  async end(graceMs: number): Promise<void> {
    await Promise.all(Array.from(this.#living, (process) => process.end(graceMs)))
  }

  #get(): StarterProcess {
    const present = identity()
    if (this.#present !== null) {
      if (!this.#present.process.hasEnded && this.#present.identity === present) return this.#present.process
      // After the node has dropped privileges, its children must not keep them.
      this.#present.process.letEnd()
      this.#present = null
    }
    const started: StarterProcess = new StarterProcess(() => this.#living.delete(started))
    this.#living.add(started)
    this.#present = { process: started, identity: present }
    return started
  }
}

/** Returns the user and group ids of this process. Windows has none of these. */
function identity(): string {
  const { getuid, geteuid, getgid, getegid, getgroups } = process
  return JSON.stringify([getuid?.(), geteuid?.(), getgid?.(), getegid?.(), getgroups?.()])
}
