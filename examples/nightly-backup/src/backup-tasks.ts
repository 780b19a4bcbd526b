import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { defineTask, type TaskContext } from '@jobistemer/core'
import Database from 'better-sqlite3'
import { describeDifferences, readContents, type TableContents } from './table-contents.ts'

export interface BackupTaskOptions {
  /** The database to back up. It is opened read-only. */
  readonly database: string
  /** The folder of verified backups. */
  readonly backups: string
  /** The folder of unfinished backups, on the same file system as `backups`. */
  readonly work: string
  /** The number of backups to keep. */
  readonly keep: number
  /** Called with the progress of the compression. The compression waits until the returned promise resolves. */
  readonly onProgress?: ((progress: CompressProgress) => Promise<void>) | undefined
}

export interface CompressProgress {
  readonly context: TaskContext
  readonly doneBytes: number
  readonly totalBytes: number
}

/** The result of the task `rotate`: a verified backup at its final path. */
export interface VerifiedBackup {
  readonly file: string
  readonly bytes: number
  /** The contents of the restored backup. */
  readonly contents: TableContents
  /** Names of the older backups that were removed. */
  readonly removed: readonly string[]
}

const pagesPerTurn = 500

// Each task can safely run again after a crash at any point, because of two rules:
// - File names derive from the slot and not from the clock, so that a second attempt replaces the files of the first.
// - A task never removes files that its repetition would need.

/** Returns the four tasks of the backup job, in order. */
export function backupTasks(options: BackupTaskOptions) {
  const { database, backups, work, keep, onProgress } = options

  /** Copies the database while other processes may write to it, and records the contents that the copy must have. */
  const backup = defineTask({
    name: 'backup',
    run: async (context) => {
      const folder = workFolder(work, context.scheduledAt)
      const file = join(folder, `${backupName(context.scheduledAt)}.db`)
      await mkdir(folder, { recursive: true })
      await rm(file, { force: true })
      const source = new Database(database, { readonly: true, fileMustExist: true })
      try {
        // Reads the contents and makes the copy in one read transaction, so that both show the same state of the database.
        source.exec('BEGIN')
        const contents = await readContents(source, context.signal)
        await source.backup(file, {
          progress: () => {
            context.signal.throwIfAborted()
            return pagesPerTurn
          },
        })
        return { file, bytes: (await stat(file)).size, contents }
      } finally {
        source.close()
      }
    },
  })

  const compress = defineTask({
    name: 'compress',
    retryPolicy: { maxRetries: 3, retryInterval: { seconds: 1 }, backoffFactor: 2 },
    run: async (context) => {
      const { file, bytes: totalBytes } = context.result(backup)
      const target = `${file}.gz`
      // The name contains the fencing token and the attempt. So a process that was suspended, and then continues an older
      // attempt, cannot overwrite the file of a later attempt.
      const partial = `${target}.partial-${context.fencingToken}-${context.attempt}`
      let doneBytes = 0
      await pipeline(
        createReadStream(file, { highWaterMark: Math.min(64 * 1024, Math.ceil(totalBytes / 8)) }),
        async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            yield chunk
            doneBytes += chunk.length
            await onProgress?.({ context, doneBytes, totalBytes })
          }
        },
        createGzip(),
        createWriteStream(partial, { flush: true }),
        { signal: context.signal },
      )
      await rename(partial, target)
      return { file: target, bytes: (await stat(target)).size }
    },
  })

  /** Restores the compressed copy, and compares its contents with those of the source. */
  const verify = defineTask({
    name: 'verify',
    run: async (context): Promise<TableContents> => {
      const { file } = context.result(compress)
      const restored = `${file}.restored`
      await pipeline(createReadStream(file), createGunzip(), createWriteStream(restored), { signal: context.signal })
      const actual = await checkDatabase(restored, context.signal)
      const differences = describeDifferences(context.result(backup).contents, actual)
      if (differences.length > 0)
        throw new Error(`The restored backup differs from the source: ${differences.join('; ')}.`)
      return actual
    },
  })

  /** Moves the verified backup into the folder `backups`, and removes the oldest backups. */
  const rotate = defineTask({
    name: 'rotate',
    data: { keep },
    run: async (context): Promise<VerifiedBackup> => {
      const { file, bytes } = context.result(compress)
      const contents = context.result(verify)
      const kept = join(backups, basename(file))
      if (existsSync(file)) await rename(file, kept)
      const collection = (await readdir(backups)).filter((name) => /^backup-.*\.db\.gz$/.test(name)).sort()
      const removed = collection.slice(0, -context.data.keep)
      for (const name of removed) await rm(join(backups, name), { force: true })
      return { file: kept, bytes, contents, removed }
    },
  })

  return { backup, compress, verify, rotate }
}

/** Returns the folder for the unfinished backup of a slot. */
export function workFolder(work: string, scheduledAt: Date): string {
  return join(work, backupName(scheduledAt))
}

/**
 * Returns the name of a slot's backup. The name contains the milliseconds of the slot, so that names sort by slot. The name
 * contains no colons, because some file systems reject colons.
 */
function backupName(scheduledAt: Date): string {
  return `backup-${scheduledAt.toISOString().replaceAll(':', '-')}`
}

async function checkDatabase(file: string, signal: AbortSignal): Promise<TableContents> {
  const database = new Database(file, { readonly: true, fileMustExist: true })
  try {
    const problems = (database.pragma('integrity_check') as { integrity_check: string }[])
      .map((row) => row.integrity_check)
      .filter((problem) => problem !== 'ok')
    if (problems.length > 0) throw new Error(`The integrity check of the backup found: ${problems.join('; ')}.`)
    return await readContents(database, signal)
  } finally {
    database.close()
  }
}
