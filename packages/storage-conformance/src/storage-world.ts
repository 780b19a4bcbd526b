import type { JobId, JsonValue } from '@jobistemer/core'
import type { OccurrenceAddress, Storage } from '@jobistemer/core/storage'

/** A separate set of data, empty at first, and the ways to reach it. An adapter's test file provides it. */
export interface StorageWorld {
  /**
   * Opens an independent connection to the data of this world. The kit closes it.
   * The kit calls this up to about 20 times for a world.
   */
  connect(): Promise<Storage>
  /** Removes the data. Called once, after every connection was closed. */
  dispose(): Promise<void>
  /** How another process connects. Needed when the storage says `multiProcess: true`, or a `durability`. */
  readonly processes?: ProcessEntry
  /**
   * Begins a transaction on the data of this world as users do, on a connection of its own. Needed when the storage has
   * `within`. The kit ends it.
   */
  beginTransaction?(): Promise<WorldTransaction>
  /** The server that a connection talks to. Needed when the test file declares `server`. */
  readonly server?: ServerEntry
  /**
   * Overwrites a text that the storage keeps, as a failed disk or a careless statement does. Needed when the test file
   * declares `damage`.
   */
  damage?(damaged: DamagedText): Promise<void>
}

/** A server, and how an adapter reaches the data of a world through a proxy of the kit. */
export interface ServerEntry {
  /** Where the server listens. */
  readonly host: string
  /** Where the server listens, over TCP. */
  readonly port: number
  /** Opens one more connection to the data of this world, which talks to this address only. The kit closes it. */
  connect(address: ServerAddress): Promise<Storage>
}

/** Where a proxy of the kit listens. */
export interface ServerAddress {
  /** Name or IP address of the host. */
  readonly host: string
  /** TCP port. */
  readonly port: number
}

/** Which stored text is overwritten, and by what. */
export type DamagedText =
  /** The definition of one version of a job. A storage that keeps more with it overwrites that too. */
  | { readonly part: 'definition'; readonly job: JobId; readonly version: number; readonly text: string }
  /** The details of an occurrence, in whichever place it lies. */
  | { readonly part: 'details'; readonly occurrence: OccurrenceAddress; readonly text: string }

/** A transaction of a user's. */
export interface WorldTransaction {
  /** What `within` takes. */
  readonly transaction: unknown
  /** Rejects when it cannot be committed; it is rolled back then. */
  commit(): Promise<void>
  /** Nothing of it stays. */
  rollback(): Promise<void>
}

/** What a child process of the kit imports and calls to open a connection to the same data. */
export interface ProcessEntry {
  /** A module that plain Node can import: JavaScript, not TypeScript. */
  readonly module: URL | string
  /** The exported function, called with `argument`; returns a storage or a promise of one. Default `'connect'`. */
  readonly exportName?: string
  /** Passed on as JSON: a file name, a URL, a prefix. */
  readonly argument: JsonValue
}

/** What a case sees of a world. */
export interface CaseWorld extends Pick<StorageWorld, 'processes' | 'beginTransaction' | 'server' | 'damage'> {
  /** One more connection to its data. Closed when the case ends. */
  connect(): Promise<Storage>
  /** A second world: other data, which this one's must never meet. */
  another(): Promise<CaseWorld>
  /** Closes its connections and disposes of its data. Done anyway when the case ends. */
  close(): Promise<void>
}

/** Opens a fresh world, hands it to the body, and always closes its connections and disposes of its data. */
export async function withWorld(
  open: () => StorageWorld | Promise<StorageWorld>,
  body: (world: CaseWorld) => Promise<void>,
): Promise<void> {
  const worlds = new Set<CaseWorld>()

  async function openCaseWorld(): Promise<CaseWorld> {
    const world = await open()
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
  // The failure of the case is the news; what goes wrong while clearing up after it is only its echo.
  if (failure !== null) throw failure.error
  for (const result of closed) if (result.status === 'rejected') throw result.reason
}

async function closeWorld(world: StorageWorld, connections: readonly Storage[]): Promise<void> {
  const closed = await Promise.allSettled(connections.map((storage) => storage.close()))
  await world.dispose()
  for (const result of closed) if (result.status === 'rejected') throw result.reason
}
