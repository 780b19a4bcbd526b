import { JobistemerError } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'

/**
 * Checks by one call of the storage that the user's server can be used. Then closes the storage.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export async function checkServer(option: string, url: string, storage: Storage): Promise<void> {
  try {
    await storage.listJobs({ limit: 1, cursor: null })
  } catch (error) {
    throw refusedServer(option, url, error)
  } finally {
    await storage.close()
  }
}

export function refusedServer(option: string, url: string, cause: unknown): JobistemerError {
  const place = withoutPassword(url)
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `${option} ${place} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
    field: option,
    value: place,
    remedy: `Start that server, or omit ${option}: the demo then starts a server itself.`,
    cause,
  })
}

/** Returns a URL without its password, for the output. */
export function withoutPassword(url: string): string {
  const shown = new URL(url)
  shown.password = ''
  return shown.href
}
