import { type EffortOptions, storageConformance } from '@jobistemer/storage-conformance'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { connect, type StorageArgument } from './fixtures/connect.mjs'
import { damage } from './damage.ts'
import { newPrefix } from './prefixes.ts'
import { kitEffort } from '../../workspace/test-effort.ts'

/** A server, or a cluster, and how it is reached. */
export interface ConformanceServer {
  readonly argument: Omit<StorageArgument, 'prefix'>
  stop(): Promise<void>
}

/**
 * What the kit does where the same scripts run on another server: every case, and fewer rounds of what chance decides.
 */
export const fewRounds: EffortOptions = kitEffort(0.05)

/**
 * Registers the whole kit for a server that all cases share, under prefixes of their own. `canDamage`: one connection
 * reaches all keys.
 */
export function redisConformance(
  name: string,
  start: () => Promise<ConformanceServer>,
  effort: EffortOptions = kitEffort(0.2),
  canDamage = true,
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
      damage: canDamage,
    },
    open() {
      const argument: StorageArgument = { ...server?.argument, prefix: newPrefix() }
      return {
        connect: async () => connect(argument),
        dispose: async () => {},
        damage: (damaged) => damage(argument, damaged),
        processes: { module: new URL('./fixtures/connect.mjs', import.meta.url), argument },
      }
    },
  })
}
