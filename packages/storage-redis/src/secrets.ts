import { maskAddress } from '@jobistemer/core/storage'

/** What a message may show of an address, or of what was given in its place. */
export function maskUrl(url: unknown): unknown {
  if (url instanceof URL) return maskAddress(url.href)
  if (typeof url === 'string') return maskAddress(url)
  return typeof url === 'object' && url !== null ? `[${typeof url}]` : url
}

/** Takes the arguments of a command, among them a password, out of an error of ioredis: loggers print all members. */
export function withoutArguments<T>(error: T): T {
  const command = (error as { readonly command?: unknown } | null | undefined)?.command
  if (typeof command !== 'object' || command === null) return error
  const { name } = command as { readonly name?: unknown }
  Object.assign(error as object, { command: { name, args: [] } })
  return error
}
