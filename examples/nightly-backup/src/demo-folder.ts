import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JobistemerError } from '@jobistemer/core'

/** The folder that holds everything of one run of the demo. */
export interface DemoFolder {
  readonly path: string
  /** The database that is built when the user gives none. */
  readonly source: string
  /** What the handlers write down themselves, beside the ledger. */
  readonly witness: string
  /** Verified backups. */
  readonly backups: string
  /** Unfinished backups, one folder for each occurrence. */
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
 * Makes the folder: the given one, which may exist but has to be empty, or a new one among the system's temporary ones.
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
  // A ledger and a witness of an earlier run would be checked against the slots of this one.
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
