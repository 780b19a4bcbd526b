import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { NodeOrder, NodeReport, NodeRequest } from './node-order.ts'
import { startNode } from './start-node.ts'

const program = new URL('./node-process.js', import.meta.url)

/** A group of node processes that all receive the same `NodeOrder` messages. */
export class Fleet {
  readonly #nodes: readonly ChildProcess[]

  private constructor(nodes: readonly ChildProcess[]) {
    this.#nodes = nodes
  }

  static async start(size: number): Promise<Fleet> {
    return new Fleet(await Promise.all(Array.from({ length: size }, () => startNode(program, null))))
  }

  get size(): number {
    return this.#nodes.length
  }

  /** Makes all nodes run the jobs of `order` instead of their present jobs. Resolves when all nodes have begun. */
  async begin(order: NodeOrder): Promise<void> {
    await this.#ask(order)
  }

  async reports(): Promise<readonly NodeReport[]> {
    return (await this.#ask('report')) as readonly NodeReport[]
  }

  /** Stops all nodes with SIGSTOP, each at a moment at which the node holds no lock of the storage. */
  async hold(): Promise<void> {
    await this.#ask('hold')
  }

  /** Resumes all stopped nodes with SIGCONT. */
  release(): void {
    for (const node of this.#nodes) node.kill('SIGCONT')
  }

  /** Shuts all nodes down. Resolves when their processes have ended. */
  async end(): Promise<void> {
    await Promise.all(
      this.#nodes.map(async (node) => {
        const exited = once(node, 'exit')
        node.disconnect()
        await exited
      }),
    )
  }

  kill(): void {
    for (const node of this.#nodes) node.kill('SIGKILL')
  }

  async #ask(request: NodeRequest): Promise<readonly unknown[]> {
    return await Promise.all(
      this.#nodes.map(async (node) => {
        const answered = once(node, 'message')
        node.send(request)
        const [answer] = await answered
        return answer
      }),
    )
  }
}
