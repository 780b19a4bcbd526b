import type { Storage } from '@jobistemer/core/storage'
import type { DeclaredCapabilities, StorageWorld } from '@jobistemer/storage-conformance'
import { CliError } from '../cli-error.ts'

/** Opens data for one case. */
export type OpenWorld = () => StorageWorld | Promise<StorageWorld>

/**
 * Worlds whose data were empty when they were opened: otherwise they are somebody's. The first connection looks, and what
 * was not seen empty is not removed either.
 */
export function guardedWorlds(open: OpenWorld): OpenWorld {
  return async () => {
    const world = await open()
    let looking: Promise<void> | undefined
    let isOwn = false
    return {
      ...(world.processes === undefined ? {} : { processes: world.processes }),
      ...(world.beginTransaction === undefined ? {} : { beginTransaction: world.beginTransaction.bind(world) }),
      async connect() {
        const storage = await world.connect()
        looking ??= assertEmpty(storage)
        try {
          await looking
        } catch (error) {
          await storage.close()
          throw error
        }
        isOwn = true
        return storage
      },
      async dispose() {
        if (isOwn) await world.dispose()
      },
    }
  }
}

async function assertEmpty(storage: Storage): Promise<void> {
  const { items, cursor } = await storage.listJobs({ limit: 1, cursor: null })
  const { counts } = await storage.get({ counts: ['all'] })
  const [all] = counts
  if (items.length === 0 && cursor === null && (all == null || all.pending + all.queued + all.running === 0)) return
  throw new CliError({
    code: 'DATA_NOT_EMPTY',
    message: 'The data that were opened for a case are not empty. They stay as they are.',
    field: 'MODULE',
    remedy: 'Let open() make new data each time: a new file, a new prefix, a new schema.',
  })
}

/** What a storage can do, as it says it itself. */
export async function capabilitiesOf(open: OpenWorld): Promise<DeclaredCapabilities> {
  const world = await open()
  try {
    const storage = await world.connect()
    try {
      const { capabilities, serverTime, subscribe, within } = storage
      const { multiProcess, durability, findsDueJobs, takesNext } = capabilities
      return {
        multiProcess,
        durability,
        ...(findsDueJobs !== undefined && { findsDueJobs }),
        ...(takesNext !== undefined && { takesNext }),
        serverTime: serverTime !== undefined,
        subscribe: subscribe !== undefined,
        within: within !== undefined,
      }
    } finally {
      await storage.close()
    }
  } finally {
    await world.dispose()
  }
}
