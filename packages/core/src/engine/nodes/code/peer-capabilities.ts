import type { JobId } from '../../../ids.ts'
import type { NodeRecord } from '../../../storage/node-record.ts'
import { Signal } from '../../loop/signal.ts'
import { type NodeCapabilities, readNodeCapabilities } from './node-capabilities.ts'
import type { Heartbeats } from '../heartbeats.ts'

/** Digests whose capabilities are remembered. Bounds memory. */
const mostKnown = 100

/** Capabilities of the other nodes. A profile is read once for all nodes with the same digest. */
export class PeerCapabilities {
  /** Sent when the capabilities of some nodes have become known. */
  readonly learned: Signal = new Signal()
  readonly #heartbeats: Heartbeats
  readonly #known = new Map<string, NodeCapabilities>()
  readonly #asked = new Map<string, Promise<void>>()

  constructor(heartbeats: Heartbeats) {
    this.#heartbeats = heartbeats
  }

  /** Whether a node has the same code as this one. */
  isSame(record: NodeRecord): boolean {
    return digestIn(record) === this.#heartbeats.code.digest
  }

  /** Capabilities of a node; `null` until the next heartbeat has read them. */
  of(record: NodeRecord): NodeCapabilities | null {
    const digest = digestIn(record)
    const known = this.#known.get(digest)
    if (known === undefined && !this.#asked.has(digest)) this.#asked.set(digest, this.#ask(record, digest))
    return known ?? null
  }

  async #ask({ incarnation }: NodeRecord, digest: string): Promise<void> {
    const profile = await this.#heartbeats.profiles.profileOf(incarnation)
    this.#asked.delete(digest)
    // The node has no record any more, or its profile would be too large.
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
