import type { NodeProfile } from '../../../storage/node-record.ts'
import { type JobCode, type NodeCode, readNodeCapabilities } from './node-capabilities.ts'

/** What this node has told other nodes of its code. A heartbeat carries the profile until the storage has accepted it. */
export class OwnCode {
  readonly #read: () => NodeCode
  #told: NodeCode = { profile: null, digest: '', capabilities: readNodeCapabilities(null) }
  #profile: NodeProfile | null = null
  #isStale = false

  /** `read`: what this node can run now, and which definitions it has. */
  constructor(read: () => NodeCode) {
    this.#read = read
  }

  /** Distinguishes nodes with other code or definitions. */
  get digest(): string {
    return this.#told.digest
  }

  /** The profile that the next heartbeat carries; `null` if the storage has it. */
  get profile(): NodeProfile | null {
    return this.#profile
  }

  /** The code has changed since the last heartbeat was made. */
  get isStale(): boolean {
    return this.#isStale
  }

  /** Whether this node has told other nodes that it can run a job. */
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
}
