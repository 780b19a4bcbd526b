import type { NodeProfile, NodeRecord } from '../../../storage/node-record.ts'
import type { HeartbeatAnswer } from '../../../storage/storage.ts'
import { Signal } from '../../runtime/signal.ts'
import { type JobCode, type NodeCapabilities, type NodeCode, readNodeCapabilities } from './node-capabilities.ts'

/** Digests of peers' code whose capabilities this node remembers. Bounds memory. */
const mostKnown = 100

interface WantedProfile {
  readonly incarnation: string
  readonly resolve: (profile: NodeProfile | null) => void
}

/**
 * The code of this node, as of its last prepared heartbeat, and the code of its peers. Each node record carries the digest of
 * the node's code, and the storage holds the full profile. Heartbeats carry the profile of this node until the storage has
 * accepted it. This node reads a profile of a peer once for all nodes with the same digest.
 */
export class FleetCode {
  /** Sent when the capabilities of some peers have become known. */
  readonly learned: Signal = new Signal()
  readonly #read: () => NodeCode
  readonly #known = new Map<string, NodeCapabilities>()
  readonly #asked = new Map<string, Promise<void>>()
  /** The code in the last prepared heartbeat. */
  #told: NodeCode = { profile: null, digest: '', capabilities: readNodeCapabilities(null) }
  #profile: NodeProfile | null = null
  #isStale = false
  /** Profiles that the next look requests. */
  #wanted: readonly WantedProfile[] = []

  /** `read`: what this node can run now, and which definitions it has. */
  constructor(read: () => NodeCode) {
    this.#read = read
  }

  /** Equal on nodes with the same code and definitions. */
  get digest(): string {
    return this.#told.digest
  }

  /** The profile that the next heartbeat carries; `null` if the storage has it. */
  get profile(): NodeProfile | null {
    return this.#profile
  }

  /** Whether the code has changed since the last heartbeat was prepared. */
  get isStale(): boolean {
    return this.#isStale
  }

  /** Whether the code in the last prepared heartbeat can run a job. */
  canRun(job: JobCode): boolean {
    return this.#told.capabilities.canRun(job)
  }

  /** This node has got or lost code or definitions. */
  changed(): void {
    this.#isStale = true
  }

  /** Reads the code for the next heartbeat. */
  refresh(): void {
    this.#isStale = false
    this.#told = this.#read()
    this.#profile = this.#told.profile
  }

  /** The storage has accepted a heartbeat with this profile. */
  accepted(profile: NodeProfile | null): void {
    if (this.#profile === profile) this.#profile = null
  }

  /** Whether a node has the same code as this one. */
  isSame(record: NodeRecord): boolean {
    return digestIn(record) === this.digest
  }

  /** Capabilities of a peer. `null`: unknown. The next look then requests the profile, and {@link learned} follows. */
  of(record: NodeRecord): NodeCapabilities | null {
    const digest = digestIn(record)
    const known = this.#known.get(digest)
    if (known === undefined && !this.#asked.has(digest)) this.#asked.set(digest, this.#learn(record, digest))
    return known ?? null
  }

  /** Resolves when a look has read all profiles that are wanted now; `null` if none is wanted. */
  get learning(): Promise<unknown> | null {
    return this.#asked.size === 0 ? null : Promise.all(this.#asked.values())
  }

  /** Returns the incarnations whose profiles a look requests, and the function that takes the answer of that look. */
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

  async #learn({ incarnation }: NodeRecord, digest: string): Promise<void> {
    const profile = await new Promise<NodeProfile | null>((resolve) => {
      this.#wanted = [...this.#wanted, { incarnation, resolve }]
    })
    this.#asked.delete(digest)
    // The node has no record any more, or its profile would be too large.
    if (profile === null) return
    if (this.#known.size > mostKnown) this.#known.clear()
    this.#known.set(digest, readNodeCapabilities(profile))
    this.learned.send()
  }
}

function digestIn({ about }: NodeRecord): string {
  return String(about.code)
}
