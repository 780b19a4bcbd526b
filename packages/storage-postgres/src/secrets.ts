// A scheme, a host, a port and the name of a database: nothing of that is a secret.
const plain = /^([a-z][a-z\d+.-]*:\/\/)?[\w.-]*(:\d{1,5})?(\/[\w.-]*)?$/i
const scheme = /^[a-z][a-z\d+.-]*:\/\//i

/**
 * What a message may show of an address that is refused. Where its parts lie is not known, so nothing behind the scheme
 * is shown unless all of it is plain: a password with a `#`, `/` or `@` would otherwise pass for a host or a path.
 */
export function maskUrl(url: unknown): unknown {
  if (url instanceof URL) return maskUrl(url.href)
  if (typeof url !== 'string') return typeof url === 'object' && url !== null ? `[${typeof url}]` : url
  return plain.test(url) ? url : `${scheme.exec(url)?.[0] ?? ''}***`
}
