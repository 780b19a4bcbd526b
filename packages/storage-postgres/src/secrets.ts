import { maskAddress } from '@jobistemer/core/storage'

/** What a message may show of an address, or of what was given in its place. */
export function maskUrl(url: unknown): unknown {
  if (url instanceof URL) return maskAddress(url.href)
  if (typeof url === 'string') return maskAddress(url)
  return typeof url === 'object' && url !== null ? `[${typeof url}]` : url
}
