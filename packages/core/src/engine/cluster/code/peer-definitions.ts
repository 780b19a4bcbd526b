import type { JobId } from '../../../ids.ts'
import type { Heartbeats } from '../heartbeats.ts'

/** Reads which definitions living peers have, and stores those of this node for the peers. */
export class PeerDefinitions {
  readonly #heartbeats: Heartbeats

  constructor(heartbeats: Heartbeats) {
    this.#heartbeats = heartbeats
  }

  async tell(): Promise<void> {
    await this.#heartbeats.tell()
  }

  async look(): Promise<void> {
    const { code, peers } = this.#heartbeats
    // This look reads the digests. A second one reads the profiles of unknown digests.
    await this.#heartbeats.look()
    for (const record of peers.living()) if (!code.isSame(record)) code.of(record)
    const { learning } = code
    if (learning === null) return
    await this.#heartbeats.look()
    await learning
  }

  have(id: JobId, fingerprint: string): boolean {
    const { code, peers } = this.#heartbeats
    return peers
      .living()
      .some((record) => !code.isSame(record) && code.of(record)?.hasDefinition(id, fingerprint) !== false)
  }
}
