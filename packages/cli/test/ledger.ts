import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, createClient, createScheduler, defineJob, type Job, silentLogger } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { virtualClock } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { afterAll, afterEach } from 'vitest'

/** A job name with control sequences that set the window title, ring the bell and color the following text. */
export const evilName = 'evil\u001b]0;owned\u0007\u009b31m'

/** Returns a job whose upload succeeds at its second attempt on January 1, and fails on January 2. */
function nightlyReport(place = 'the disk\u001b[2J'): Job {
  return defineJob({
    name: 'nightly-report',
    owner: 'reports',
    schedule: cron('0 2 * * *', { timezone: 'Europe/Berlin' }),
    tasks: [
      { name: 'export', run: async () => ({ rows: 7 }) },
      {
        name: 'upload',
        retryPolicy: { maxRetries: 1, retryInterval: { seconds: 10 } },
        run: async ({ scheduledAt, attempt }) => {
          if (scheduledAt.getUTCDate() === 2 || attempt === 1) throw diskFull(place)
        },
      },
    ],
  })
}

function diskFull(place: string): Error {
  const error = Object.assign(new Error(`${place} is full`), { code: 'ENOSPC' })
  error.stack = `Error: ${place} is full\n    at upload (/app/upload.ts:12:9)`
  error.cause = Object.assign(new Error('write failed'), {
    stack: 'Error: write failed\n    at write (/app/disk.ts:3:1)',
  })
  return error
}

/**
 * Fills a storage with the events of January 1 and 2, 2026:
 * - The report of January 1 was completed, and the report of January 2 failed.
 * - An import job has one pending and two queued runs.
 * - With `hasEvil`, a job with the name {@link evilName} is paused.
 */
export async function fillLedger(storage: Storage, { hasEvil = true } = {}): Promise<void> {
  const report = hasEvil ? nightlyReport() : nightlyReport('the disk')
  await night(storage, report, '2026-01-01')
  await night(storage, report, '2026-01-02')
  const clock = virtualClock('2026-01-02T12:00:00Z')
  const client = createClient({ storage, clock, logger: silentLogger })
  await client.add([
    defineJob({
      name: 'import',
      owner: 'imports',
      schedule: cron('0 0 1 1 *', { timezone: 'UTC' }),
      overlapPolicy: 'queue',
      startRate: { limit: 30, interval: { minutes: 1 } },
      tasks: [{ name: 'rows', handler: 'import-rows', data: { table: 'orders' } }],
    }),
  ])
  if (hasEvil) await addEvil(client)
  for (const key of ['a', 'b', 'c']) await client.trigger('import', { key, data: { file: `${key}.csv` }, actor: 'ann' })
  await client.close()
}

async function addEvil(client: Client): Promise<void> {
  await client.add(
    defineJob({
      name: evilName,
      schedule: cron('0 6 * * *', { timezone: 'UTC' }),
      tasks: [{ name: 'a', handler: 'nothing' }],
    }),
  )
  await client.pause(evilName, { reason: 'it is \u001b[31mevil', actor: 'ann' })
}

/**
 * Runs a node only around the slot of one night. If the node ran through all hours between the nights, its heartbeats
 * would take too long.
 */
async function night(storage: Storage, report: Job, day: string): Promise<void> {
  const clock = virtualClock(`${day}T00:59:58Z`)
  const scheduler = createScheduler({
    storage,
    clock,
    nodeId: 'night-1',
    jobs: [report],
    logger: silentLogger,
  })
  await scheduler.start()
  await clock.advance({ seconds: 15 })
  await scheduler.shutdown()
}

/** Creates temporary folders and storages for the tests of one file. */
export interface Scratch {
  /** Creates a folder, which is removed after the tests of the file. */
  folder(): string
  /** Copies the filled SQLite file to a new folder. `place` is the value of `--storage` for the copy. */
  ledger(): Promise<{ readonly place: string; readonly folder: string; readonly storage: () => Storage }>
  /** Creates an empty SQLite file in a new folder. */
  empty(): { readonly place: string; readonly folder: string; readonly storage: () => Storage }
}

/** Registers the cleanup of temporary folders. Call this function once per test file. */
export function useScratch(): Scratch {
  const folders: string[] = []
  const open: Storage[] = []
  let filled: Promise<string> | undefined
  afterEach(async () => {
    for (const storage of open.splice(0)) await storage.close()
  })
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  })
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'jobistemer-cli-'))
    folders.push(made)
    return made
  }
  const fill = async (): Promise<string> => {
    const file = join(folder(), 'jobs.db')
    const storage = sqliteStorage({ file, synchronous: 'normal' })
    await fillLedger(storage)
    await storage.close()
    return file
  }
  const at = (made: string) => ({
    folder: made,
    place: `sqlite:${join(made, 'jobs.db')}`,
    storage: () => {
      const storage = sqliteStorage({ file: join(made, 'jobs.db'), synchronous: 'normal' })
      open.push(storage)
      return storage
    },
  })
  return {
    folder,
    async ledger() {
      filled ??= fill()
      const made = folder()
      copyFileSync(await filled, join(made, 'jobs.db'))
      return at(made)
    },
    empty: () => at(folder()),
  }
}
