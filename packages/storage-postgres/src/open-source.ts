import type { StorageCapabilities } from '@jobistemer/core/storage'
import { earOfClient, earOfPool } from './ear.ts'
import { parseUrl, type ReadOptions } from './options.ts'
import { openPool } from './own-pool.ts'
import { ClientSource, PoolSource, type Source } from './source.ts'

/** Returns whether nodes with these options can wake each other. */
export function canListen({ source, wakeUps }: ReadOptions): boolean {
  if (!wakeUps) return false
  if ('pool' in source) return earOfPool(source.pool) !== null
  return 'url' in source || earOfClient(source.client) !== null
}

/** Returns whether the database runs in this process, as PGlite does. */
export function isInProcess({ source }: Pick<ReadOptions, 'source'>): boolean {
  return 'client' in source && earOfClient(source.client) !== null
}

/**
 * Returns the capabilities that follow from these options: whether several processes can use the data, and how durable the
 * data are.
 */
export function keepingOf({ source }: ReadOptions): Pick<StorageCapabilities, 'multiProcess' | 'durability'> {
  if (!('client' in source) || !isInProcess({ source })) return { multiProcess: true, durability: 'power' }
  const { dataDir = 'memory://' } = source.client as { readonly dataDir?: string }
  return { multiProcess: false, durability: dataDir.startsWith('memory://') ? 'none' : 'process' }
}

/** Opens the source of connections that these options name. */
export async function openSource({ source, schema, commandTimeoutMs }: ReadOptions): Promise<Source> {
  if ('pool' in source) return new PoolSource(source.pool, placeOf(source.pool, schema), null)
  if ('client' in source) return new ClientSource(source.client, placeOf(source.client, schema))
  const pool = await openPool(source.url, commandTimeoutMs)
  return new PoolSource(pool, `${placeOfUrl(source.url)}, schema ${schema}`, async () => await pool.end())
}

function placeOfUrl(url: string): string {
  const { hostname, port, pathname, searchParams } = parseUrl(url) as URL
  const host = searchParams.get('host') ?? hostname
  return `${host}${port === '' ? '' : `:${port}`}${pathname}`
}

/** Describes the target of a pool or client of `pg` for messages, without secrets. */
function placeOf(connection: object, schema: string): string {
  const { options = connection } = connection as { readonly options?: object }
  const { host, port, database } = options as {
    readonly host?: unknown
    readonly port?: unknown
    readonly database?: unknown
  }
  const parts = [host, port, database].filter((part) => typeof part === 'string' || typeof part === 'number')
  return [...(parts.length === 0 ? [] : [parts.join(':')]), `schema ${schema}`].join(', ')
}
