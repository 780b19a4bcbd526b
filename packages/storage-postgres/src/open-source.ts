import { earOfClient, earOfPool } from './ear.ts'
import type { ReadOptions } from './options.ts'
import { openPool } from './own-pool.ts'
import { ClientSource, PoolSource, type Source } from './source.ts'

/** Whether nodes can wake each other with these options. */
export function canListen({ source, wakeUps }: ReadOptions): boolean {
  if (!wakeUps) return false
  if ('pool' in source) return earOfPool(source.pool) !== null
  return 'url' in source || earOfClient(source.client) !== null
}

/** Where the connections of these options come from. */
export async function openSource({ source, schema }: ReadOptions): Promise<Source> {
  if ('pool' in source) return new PoolSource(source.pool, placeOf(source.pool, schema), null)
  if ('client' in source) return new ClientSource(source.client, placeOf(source.client, schema))
  const pool = await openPool(source.url)
  const { hostname, port, pathname, searchParams } = new URL(source.url)
  const host = searchParams.get('host') ?? hostname
  const place = `${host}${port === '' ? '' : `:${port}`}${pathname}, schema ${schema}`
  return new PoolSource(pool, place, async () => await pool.end())
}

/** What is known of where a pool or a client of `pg` leads. Nothing of that is a secret. */
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
