import type { NodeProfile } from '../../../storage/node-record.ts'
import type { HeartbeatAnswer } from '../../../storage/storage.ts'

interface WantedProfile {
  readonly incarnation: string
  readonly resolve: (profile: NodeProfile | null) => void
}

/** Profiles of other nodes that the next heartbeat or look asks for. */
export class WantedProfiles {
  #wanted: readonly WantedProfile[] = []

  /** Resolves with the profile after the next look; with `null` if the node has no record any more. */
  profileOf(incarnation: string): Promise<NodeProfile | null> {
    return new Promise((resolve) => {
      this.#wanted = [...this.#wanted, { incarnation, resolve }]
    })
  }

  /** What a look asks for, and what takes in its answer. */
  ask(): { readonly profilesOf: readonly string[]; answer(answer: HeartbeatAnswer): void } {
    const asked = this.#wanted
    return {
      profilesOf: asked.map(({ incarnation }) => incarnation),
      answer: ({ profiles }) => {
        this.#wanted = this.#wanted.filter((one) => !asked.includes(one))
        for (const [index, { resolve }] of asked.entries()) resolve(profiles[index] ?? null)
      },
    }
  }
}
