import { randomUUID } from 'node:crypto'

/** Returns a prefix that no other test uses, for tests that share a server. */
export function newPrefix(): string {
  return `test-${randomUUID()}`
}

/** A logger that ignores the warning about missing persistence: the test servers store nothing on disk. */
export const quiet = { warn: (): void => {} }

/** Options of a storage whose calls exceed no time limit, even if a busy machine is slow to answer. */
export const patient = { logger: quiet, commandTimeout: 60_000 }
