import type { JobId, JsonValue } from '@jobistemer/core'
import type { OccurrenceAddress, Storage } from '@jobistemer/core/storage'
import { readWorld } from './read-options.ts'

/** A separate test database, empty at first, with the ways to connect to it. An adapter's test file provides it. */
export interface StorageWorld {
  /**
   * Opens an independent connection to this test database. The kit closes the connection. The kit opens up to about 20
   * connections to one test database.
   */
  connect(): Promise<Storage>
  /** Removes the test database. Called once, after all connections are closed. */
  dispose(): Promise<void>
  /** How child processes connect. Required if the storage declares `multiProcess: true` or a `durability`. */
  readonly processes?: ProcessEntry
  /**
   * Begins a user's transaction on a separate connection. Required if the storage has `within`. The kit ends the
   * transaction.
   */
  beginTransaction?(): Promise<WorldTransaction>
  /** The server of the storage. Required if the test file declares `server`. */
  readonly server?: ServerEntry
  /** Overwrites a stored text with damaged text. Required if the test file declares `damage`. */
  damage?(damaged: DamagedText): Promise<void>
}

/** The address of a database server, and a function that connects to the server through the kit's proxy. */
export interface ServerEntry {
  /** The host name or IP address of the server. */
  readonly host: string
  /** The TCP port of the server. */
  readonly port: number
  /**
   * Opens a connection to this test database. The connection communicates only with the given address. The kit closes the
   * connection.
   */
  connect(address: ServerAddress): Promise<Storage>
}

/** The address at which a proxy of the kit listens. */
export interface ServerAddress {
  /** The host name or IP address of the proxy. */
  readonly host: string
  /** The TCP port of the proxy. */
  readonly port: number
}

/** A stored text to overwrite, and the new text. */
export type DamagedText =
  /**
   * The definition of one version of a job. `text` replaces the whole stored text that contains the definition. If the storage
   * keeps other data in the same text, `text` replaces these data too.
   */
  | { readonly part: 'definition'; readonly job: JobId; readonly version: number; readonly text: string }
  /** The details of an occurrence, wherever the storage keeps them. */
  | { readonly part: 'details'; readonly occurrence: OccurrenceAddress; readonly text: string }

/** A user's transaction on the test database. */
export interface WorldTransaction {
  /** The value that the kit passes to `within` of the storage. It represents this transaction. */
  readonly transaction: unknown
  /** Commits the transaction. If the commit fails, rejects and rolls the transaction back. */
  commit(): Promise<void>
  /** Rolls the transaction back, so that none of its writes remain. */
  rollback(): Promise<void>
}

/** The module that a child process of the kit imports to connect to the same test database. */
export interface ProcessEntry {
  /** A module that plain Node can import: JavaScript, not TypeScript. */
  readonly module: URL | string
  /**
   * The name of the exported function. It receives `argument` and returns a storage or a promise of one. Default
   * `'connect'`.
   */
  readonly exportName?: string
  /** The function's argument, passed as JSON: for example a file name, a URL or a prefix. */
  readonly argument: JsonValue
}

/** The test database and its connections, as a case receives them. */
export interface CaseWorld extends Pick<StorageWorld, 'processes' | 'beginTransaction' | 'server' | 'damage'> {
  /** Opens another connection to the test database. The kit closes the connection at the end of the case. */
  connect(): Promise<Storage>
  /** Creates a second test database, which shares no data with this one. */
  another(): Promise<CaseWorld>
  /** Closes all connections and removes the test database. The kit also does this at the end of the case. */
  close(): Promise<void>
}

/**
 * Creates a test database, passes it to `body`, and always closes its connections and removes it.
 * @throws JobistemerError `INVALID_ARGUMENT` if `open` returns no test database
 */
export async function withWorld(
  open: () => StorageWorld | Promise<StorageWorld>,
  body: (world: CaseWorld) => Promise<void>,
): Promise<void> {
  const worlds = new Set<CaseWorld>()

  async function openCaseWorld(): Promise<CaseWorld> {
    const world = readWorld(await open())
    const { server } = world
    const connections: Storage[] = []
    const kept = async (connecting: Promise<Storage>): Promise<Storage> => {
      const storage = await connecting
      connections.push(storage)
      return storage
    }
    const caseWorld: CaseWorld = {
      ...(world.processes === undefined ? {} : { processes: world.processes }),
      ...(world.beginTransaction === undefined
        ? {}
        : { beginTransaction: () => world.beginTransaction?.() as Promise<WorldTransaction> }),
      ...(server === undefined
        ? {}
        : { server: { ...server, connect: (address: ServerAddress) => kept(server.connect(address)) } }),
      connect: () => kept(world.connect()),
      ...(world.damage === undefined
        ? {}
        : { damage: (damaged: DamagedText) => world.damage?.(damaged) as Promise<void> }),
      another: openCaseWorld,
      async close() {
        if (worlds.delete(caseWorld)) await closeWorld(world, connections)
      },
    }
    worlds.add(caseWorld)
    return caseWorld
  }

  let failure: { readonly error: unknown } | null = null
  try {
    await body(await openCaseWorld())
  } catch (error) {
    failure = { error }
  }
  const closed = await Promise.allSettled([...worlds].map((world) => world.close()))
  // If both the case and the cleanup fail, throws the error of the case. This error may have caused the error of the cleanup.
  if (failure !== null) throw failure.error
  for (const result of closed) if (result.status === 'rejected') throw result.reason
}

async function closeWorld(world: StorageWorld, connections: readonly Storage[]): Promise<void> {
  const closed = await Promise.allSettled(connections.map((storage) => storage.close()))
  await world.dispose()
  for (const result of closed) if (result.status === 'rejected') throw result.reason
}
