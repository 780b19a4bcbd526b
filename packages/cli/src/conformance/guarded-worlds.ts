import type { Storage } from '@jobistemer/core/storage'
import type { DeclaredCapabilities, ServerAddress, StorageWorld } from '@jobistemer/storage-conformance'
import { CliError } from '../cli-error.ts'

/** Creates the test database of one conformance case. */
export type OpenWorld = () => StorageWorld | Promise<StorageWorld>

/**
 * Wraps `open` so that conformance cases never change existing data. If a new test database is not empty, the wrapper throws
 * an error, and never removes this database.
 */
export function guardedWorlds(open: OpenWorld): OpenWorld {
  return async () => {
    const world = await open()
    assertWorld(world)
    let checking: Promise<void> | undefined
    const checked = async (connecting: Promise<Storage>): Promise<Storage> => {
      const storage = await connecting
      checking ??= assertEmpty(storage)
      try {
        await checking
      } catch (error) {
        await storage.close()
        throw error
      }
      return storage
    }
    const { server } = world
    return {
      ...(world.processes === undefined ? {} : { processes: world.processes }),
      ...(world.beginTransaction === undefined ? {} : { beginTransaction: world.beginTransaction.bind(world) }),
      ...(server === undefined
        ? {}
        : { server: { ...server, connect: (address: ServerAddress) => checked(server.connect(address)) } }),
      connect: () => checked(world.connect()),
      async dispose() {
        const isUnused = checking === undefined
        checking ??= assertEmptyWorld(world)
        try {
          await checking
        } catch (error) {
          // The check has failed, for example because the test database contains data. So `dispose` keeps the database. If
          // the case has called `connect` before, `connect` has thrown `error` already. Otherwise `dispose` must throw
          // `error`.
          if (isUnused) throw error
          return
        }
        await world.dispose()
      },
    }
  }
}

/** Checks the result of `open`, which may be any value, because the module may be written in JavaScript. */
function assertWorld(world: Partial<StorageWorld> | null | undefined): void {
  if (typeof world?.connect === 'function' && typeof world.dispose === 'function') return
  throw new CliError({
    code: 'INVALID_MODULE',
    message: 'open() returned no object with the functions connect and dispose.',
    field: 'MODULE',
    remedy: 'Let open() return { connect: async () => storage, dispose: async () => {} }.',
  })
}

async function assertEmptyWorld(world: StorageWorld): Promise<void> {
  const storage = await world.connect()
  try {
    await assertEmpty(storage)
  } finally {
    await storage.close()
  }
}

async function assertEmpty(storage: Storage): Promise<void> {
  const { items, cursor } = await storage.listJobs({ limit: 1, cursor: null })
  const { counts } = await storage.get({ counts: ['all'] })
  const [all] = counts
  const live = all == null ? [] : [all.pending, all.queued, all.running]
  if (live.some((count) => typeof count !== 'number')) {
    throw new CliError({
      code: 'INVALID_ANSWER',
      message: `The storage answered get({ counts: ['all'] }) with ${JSON.stringify(all)}: counts are numbers.`,
      field: 'MODULE',
      remedy: 'Convert what the driver returns: many drivers return a bigint or a sum as text.',
    })
  }
  if (items.length === 0 && cursor === null && live.every((count) => count === 0)) return
  throw new CliError({
    code: 'DATA_NOT_EMPTY',
    message: 'The data that were opened for a case are not empty. They stay as they are.',
    field: 'MODULE',
    remedy: 'Let open() make new data each time: a new file, a new prefix, a new schema.',
  })
}

/** Opens a storage, and returns the capabilities that it reports. */
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
        ...(world.server !== undefined && { server: true }),
      }
    } finally {
      await storage.close()
    }
  } finally {
    await world.dispose()
  }
}
