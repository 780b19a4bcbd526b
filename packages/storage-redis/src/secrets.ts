import { maskAddress } from '@jobistemer/core/storage'

/** Returns the server's address for messages: masks the password of a URL, and replaces an object by its type. */
export function maskUrl(url: unknown): unknown {
  if (url instanceof URL) return maskAddress(url.href)
  if (typeof url === 'string') return maskAddress(url)
  return typeof url === 'object' && url !== null ? `[${typeof url}]` : url
}

/** Removes the command's arguments from an error of ioredis: they may include a password, and loggers print them. */
export function withoutArguments<T>(error: T): T {
  const command = (error as { readonly command?: unknown } | null | undefined)?.command
  if (typeof command !== 'object' || command === null) return error
  const { name } = command as { readonly name?: unknown }
  Object.assign(error as object, { command: { name, args: [] } })
  return error
}
