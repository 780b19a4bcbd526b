import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A temporary directory for one test. */
export interface Scratch {
  readonly directory: string
  readonly file: string
  remove(): void
}

export function makeScratch(): Scratch {
  const directory = mkdtempSync(join(tmpdir(), 'jobistemer-sqlite-'))
  return {
    directory,
    file: join(directory, 'jobs.db'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
