import { readJobDocument } from '../../job/job-document.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { KnownCapabilities } from '../cluster/node-code.ts'
import { callEndsAtOf, deathOf, hasEnded } from '../cluster/peer-record.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'

/**
 * Returns whether a living node has the code of a job. `null`: unknown, for one of these reasons:
 * - No node lives.
 * - The code of a node exceeds the size of a profile.
 * - A node is a call of `runDue`. Another call after it may have the code.
 */
export type HasCode = (job: JobRecord) => boolean | null

/** Determines from the stored profiles of living nodes which jobs they have code for. */
export class LivingCode {
  readonly #known = new KnownCapabilities()

  /** Reads the nodes, and the profiles of builds that this process does not know yet. */
  async read(storage: StorageCalls, now: number): Promise<HasCode> {
    const request = { now, own: null, remove: [] }
    const { nodes } = await storage.once((calls) => calls.heartbeat({ ...request, profilesOf: [] }))
    const living = nodes.filter((record) => !hasEnded(record) && deathOf(record) === null)
    await this.#known.learn(living, (profilesOf) =>
      storage.once((calls) => calls.heartbeat({ ...request, profilesOf })),
    )
    const isCertain = living.length > 0 && living.every((record) => callEndsAtOf(record) === null)
    const capabilities = living.map((record) => this.#known.of(record))
    return ({ id, definition }) => {
      const job = { id, tasks: readJobDocument(definition).tasks }
      if (capabilities.some((one) => one?.canRun(job))) return true
      return isCertain && !capabilities.includes(undefined) ? false : null
    }
  }
}
