import type { JobId } from '../../../ids.ts'
import type { NodeRecord } from '../../../storage/node-record.ts'
import { Signal } from '../../loop/signal.ts'
import { type NodeCapabilities, readNodeCapabilities } from './node-capabilities.ts'
import type { Heartbeats } from '../heartbeats.ts'

/** More than so many kinds of code are not remembered. */
const mostKnown = 100

/** What the other nodes have said of their code, which is asked for once for all nodes of the same code. */
export class PeerCapabilities {
  /** Sent when it has become known what some nodes can do. */
  readonly learned: Signal = new Signal()
  readonly #heartbeats: Heartbeats
  readonly #known = new Map<string, NodeCapabilities>()
  readonly #asked = new Map<string, Promise<void>>()

  constructor(heartbeats: Heartbeats) {
    this.#heartbeats = heartbeats
  }

  /** Whether a node has the same code as this one. */
  isSame(record: NodeRecord): boolean {
    return digestIn(record) === this.#heartbeats.code
  }

  /** What a node can do; `null` while that is not known, which is asked for with the next heartbeat. */
  of(record: NodeRecord): NodeCapabilities | null {
    const digest = digestIn(record)
    const known = this.#known.get(digest)
    if (known === undefined && !this.#asked.has(digest)) this.#asked.set(digest, this.#ask(record, digest))
    return known ?? null
  }

  async #ask({ incarnation }: NodeRecord, digest: string): Promise<void> {
    const profile = await this.#heartbeats.profileOf(incarnation)
    this.#asked.delete(digest)
    // It is not there any more, or has too much code to say of it.
    if (profile === null) return
    if (this.#known.size > mostKnown) this.#known.clear()
    this.#known.set(digest, readNodeCapabilities(profile))
    this.learned.send()
  }

  async tell(): Promise<void> {
    await this.#heartbeats.tell()
  }

  async look(): Promise<void> {
    await this.#heartbeats.look()
    for (const record of this.#heartbeats.peers.living()) if (!this.isSame(record)) this.of(record)
    if (this.#asked.size === 0) return
    const asked = [...this.#asked.values()]
    await this.#heartbeats.look()
    await Promise.all(asked)
  }

  have(id: JobId, fingerprint: string): boolean {
    return this.#heartbeats.peers
      .living()
      .some((record) => !this.isSame(record) && this.of(record)?.hasDefinition(id, fingerprint) !== false)
  }
}

function digestIn({ about }: NodeRecord): string {
  return String(about.code)
}
