import type { JobId } from '../../ids.ts'
import type { Heartbeats } from './heartbeats.ts'
import { codeDigestOf, KnownCapabilities } from './node-code.ts'

/** Reads which definitions living peers have, and stores those of this node for the peers. */
export class PeerDefinitions {
  readonly #heartbeats: Heartbeats
  readonly #known = new KnownCapabilities()

  constructor(heartbeats: Heartbeats) {
    this.#heartbeats = heartbeats
  }

  /** Stores this node's profile. Resolves when other nodes can read it. */
  async tell(): Promise<void> {
    await this.#heartbeats.tell()
  }

  /** Reads the living nodes and their definitions. */
  async look(): Promise<void> {
    await this.#heartbeats.look()
    await this.#known.learn(this.#others(), (profilesOf) => this.#heartbeats.look(profilesOf))
  }

  /** Returns whether a living node has this definition. A node with an unknown profile counts as having it. */
  have(id: JobId, fingerprint: string): boolean {
    return this.#others().some((record) => this.#known.of(record)?.hasDefinition(id, fingerprint) !== false)
  }

  /** The living nodes with other code. */
  #others() {
    const { codeDigest, peers } = this.#heartbeats
    return peers.living().filter((record) => codeDigestOf(record) !== codeDigest)
  }
}
