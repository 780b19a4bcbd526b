import { storageConformance } from '@jobistemer/storage-conformance'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { connect, type StorageArgument } from './fixtures/connect.mjs'
import { damage } from './damage.ts'
import { newPrefix } from './prefixes.ts'
import { furtherKind, kitEffort } from '../../workspace/test-effort.ts'

/** A server or a cluster for the conformance kit, and the argument that opens a storage on it. */
export interface ConformanceServer {
  readonly argument: Omit<StorageArgument, 'prefix'>
  stop(): Promise<void>
}

/**
 * Registers the conformance kit for one server. Each case has its own prefix on this server. `isFurther`: a test of this
 * package runs the whole kit on another server, so the kit runs only some cases on this one. `canDamage`: one connection
 * reaches all keys, so the kit can also run the cases that overwrite stored texts.
 */
export function redisConformance(
  name: string,
  start: () => Promise<ConformanceServer>,
  { isFurther = false, canDamage = true } = {},
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
    it: isFurther ? furtherKind(it) : it,
    name,
    ...(isFurther ? kitEffort(0.05) : kitEffort(0.2, 0.1)),
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
