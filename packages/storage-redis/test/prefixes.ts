import { randomUUID } from 'node:crypto'

/** A prefix that no other test uses, for tests that share a server. */
export function newPrefix(): string {
  return `test-${randomUUID()}`
}

/** Ignores the warning about missing persistence: the test servers keep nothing on disk. */
export const quiet = { warn: (): void => {} }
