import { type EffortOptions, storageConformance } from '@jobistemer/storage-conformance'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { connect, type StorageArgument } from './fixtures/connect.mjs'
import { newPrefix } from './prefixes.ts'

/** A server, or a cluster, and how it is reached. */
export interface ConformanceServer {
  readonly argument: Omit<StorageArgument, 'prefix'>
  stop(): Promise<void>
}

/**
 * What the kit does where the same scripts run on another server: every case, and fewer rounds of what chance decides.
 * JOBISTEMER_CONFORMANCE_SCALE sets it for a night.
 */
export const fewRounds: EffortOptions = { scale: 0.15, seeds: [1] }

/** Registers the whole kit for a server that all cases share, under prefixes of their own. */
export function redisConformance(
  name: string,
  start: () => Promise<ConformanceServer>,
  effort: EffortOptions = { scale: 0.5, seeds: [1, 2] },
): void {
  let server: ConformanceServer | undefined

  beforeAll(async () => {
    server = await start()
  })

  afterAll(async () => {
    await server?.stop()
  })

  storageConformance({
    describe,
    it,
    name,
    ...effort,
    capabilities: {
      multiProcess: true,
      durability: 'process',
      findsDueJobs: true,
      takesNext: true,
      serverTime: true,
      subscribe: true,
    },
    open() {
      const argument: StorageArgument = { ...server?.argument, prefix: newPrefix() }
      return {
        connect: async () => connect(argument),
        dispose: async () => {},
        processes: { module: new URL('./fixtures/connect.mjs', import.meta.url), argument },
      }
    },
  })
}
