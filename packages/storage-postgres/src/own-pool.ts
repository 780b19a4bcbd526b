import { JobistemerError } from '@jobistemer/core'
import type { PostgresPool } from './options.ts'

/** The longest delay of a Node.js timer, in ms. A timer with a longer delay fires at once. */
const longestMs = 2 ** 31 - 1

/** The members of a `pg` pool that this storage uses. */
export interface OwnPool extends PostgresPool {
  end(): Promise<void>
}

/**
 * Opens a pool with the package `pg`. A connection attempt without an answer ends after `limitMs`, because closing the pool
 * would wait for it. @throws JobistemerError `STORAGE_UNREADABLE` if the package is missing */
export async function openPool(url: string, limitMs: number): Promise<OwnPool> {
  const pg = await importPg()
  return new pg.Pool({
    connectionString: url,
    application_name: 'jobistemer',
    keepAlive: true,
    connectionTimeoutMillis: Math.min(limitMs, longestMs),
  })
}

async function importPg(): Promise<{ readonly Pool: new (options: object) => OwnPool }> {
  try {
    const { default: pg } = (await import('pg')) as unknown as {
      readonly default: { Pool: new (options: object) => OwnPool }
    }
    return pg
  } catch (error) {
    throw new JobistemerError('STORAGE_UNREADABLE', {
      message: 'The package pg is not installed.',
      field: 'url',
      remedy: 'Install it (npm install pg), or give postgresStorage a pool or a client of your own.',
      cause: error,
    })
  }
}
