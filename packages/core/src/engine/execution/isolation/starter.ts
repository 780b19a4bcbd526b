import type { IsolatedWork } from '../../../job/isolated-work.ts'
import type { Child } from './child.ts'
import { StarterProcess } from './starter-process.ts'

/** Starts processes for a node, through one that is small and lives as long as the node. */
export class Starter {
  readonly #living = new Set<StarterProcess>()
  #present: { readonly process: StarterProcess; readonly identity: string } | null = null

  /** To start it early, while the node is small, is cheaper than later. @throws what the system says when it cannot be started */
  prepare(): void {
    this.#get()
  }

  /** @throws what the system says when no process can be started */
  start(work: IsolatedWork): Child {
    return this.#get().start(work)
  }

  /** Nothing that it has started lives on. Resolves when it is gone itself. */
  async end(graceMs: number): Promise<void> {
    await Promise.all(Array.from(this.#living, (process) => process.end(graceMs)))
  }

  #get(): StarterProcess {
    const present = identity()
    if (this.#present !== null) {
      if (!this.#present.process.hasEnded && this.#present.identity === present) return this.#present.process
      // A node that has given up rights since then must have no children with them.
      this.#present.process.letEnd()
      this.#present = null
    }
    const started: StarterProcess = new StarterProcess(() => this.#living.delete(started))
    this.#living.add(started)
    this.#present = { process: started, identity: present }
    return started
  }
}

/** Whose rights this process has. Windows has none of these. */
function identity(): string {
  const { getuid, geteuid, getgid, getegid, getgroups } = process
  return JSON.stringify([getuid?.(), geteuid?.(), getgid?.(), getegid?.(), getgroups?.()])
}
