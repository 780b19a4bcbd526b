import { randomUUID } from 'node:crypto'

/** A prefix that no other test uses, for tests that share a server. */
export function newPrefix(): string {
  return `test-${randomUUID()}`
}

/** The servers of these tests keep nothing on disk, as they should. */
export const quiet = { warn: (): void => {} }
