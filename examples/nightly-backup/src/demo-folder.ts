import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JobistemerError } from '@jobistemer/core'

/** The folder with all files of one run of the demo. */
export interface DemoFolder {
  readonly path: string
  /** Path of the database that the demo builds if the user gives none. */
  readonly source: string
  /** Path of the file to which each handler appends a line at its start and at its end, independently of the ledger. */
  readonly witness: string
  /** The folder of verified backups. */
  readonly backups: string
  /** The folder of unfinished backups, with a folder for each occurrence. */
  readonly work: string
}

export function demoFolder(path: string): DemoFolder {
  return {
    path,
    source: join(path, 'source.db'),
    witness: join(path, 'witness.jsonl'),
    backups: join(path, 'backups'),
    work: join(path, 'work'),
  }
}

/**
 * Creates the demo's folder: a new temporary folder, or the given path, which must be missing or an empty folder.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function createDemoFolder(path: string | null): DemoFolder {
  const folder = demoFolder(path ?? mkdtempSync(join(tmpdir(), 'jobistemer-demo-')))
  if (path !== null) makeEmptyFolder(path)
  mkdirSync(folder.backups)
  mkdirSync(folder.work)
  return folder
}

function makeEmptyFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
    if (readdirSync(path).length === 0) return
  } catch (cause) {
    throw refusedFolder(path, `cannot be used: ${(cause as Error).message}`, cause)
  }
  // Refuses the folder, because the checks would compare files of an earlier demo with the slots of this demo.
  throw refusedFolder(path, 'is not empty')
}

function refusedFolder(path: string, problem: string, cause?: unknown): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `--out ${path} ${problem}.`,
    field: '--out',
    value: path,
    remedy: 'Give a new or an empty folder.',
    cause,
  })
}
