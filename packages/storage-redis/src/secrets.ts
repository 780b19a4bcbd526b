import { maskAddress } from '@jobistemer/core/storage'

/** Returns what a message may show of an address, or of another value given as the address. */
export function maskUrl(url: unknown): unknown {
  if (url instanceof URL) return maskAddress(url.href)
  if (typeof url === 'string') return maskAddress(url)
  return typeof url === 'object' && url !== null ? `[${typeof url}]` : url
}

/**
 * Removes the command's arguments, which may include a password, from an error of ioredis, because loggers print all
 * members of errors.
 */
export function withoutArguments<T>(error: T): T {
  const command = (error as { readonly command?: unknown } | null | undefined)?.command
  if (typeof command !== 'object' || command === null) return error
  const { name } = command as { readonly name?: unknown }
  Object.assign(error as object, { command: { name, args: [] } })
  return error
}
