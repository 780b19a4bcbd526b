import { deepestCause } from './tuning.ts'

// `host`, `path` and `scheme` match the parts of an address that are no secrets. A path may be the name of a database. `plain`
// matches an address that has only such parts.
const host = String.raw`(?:[\w.-]*|\[[\da-f:.]+\])(?::\d{1,5})?`
const path = String.raw`(?:\/[\w.-]*)*`
const scheme = String.raw`[a-z][a-z\d+.-]*:\/\/`
const plain = new RegExp(`^(?:${scheme})?${host}${path}$`, 'i')
/**
 * Matches an address in which the position of each part is certain. Such an address has at most one `@`, no `#`, and no
 * delimiter in the part before the `@`.
 */
const certain = new RegExp(String.raw`^(${scheme})(?:([^@/?#\\\s"']*)@)?(${host}${path})(\?[^@#]*)?$`, 'i')
/** Matches a text that is one complete address, optionally in quotes or after the name of a variable. */
const wholeAddress = new RegExp(
  String.raw`^([\s"'\u0060<({[]{0,20}(?:\w{1,50}\s{1,5})?(?:\w{1,50}\s{0,5}=\s{0,5})?["'\u0060]{0,5})((?!file:)${scheme}[\s\S]*)$`,
  'i',
)
/**
 * Matches a sign that an address may contain a secret: a delimiter of user, query or fragment, or a colon. A colon is no sign if
 * it begins a port, or if it stands between a word and white space, as in a message after an address.
 */
const suspicious = /[@?#]|:(?!\/\/|\d{1,5}(?!\w)|(?<=\w:)\s)/
// Lengths in the patterns below are bounded, so that matching does not take quadratic time for a long text.
/**
 * Matches an address up to the last `@` of the line; this part may contain a user and a password. The match is greedy, because
 * a password may contain `@`. The pattern excludes the scheme `file:`, because paths of packages contain `@`.
 */
const userOfAddress = /(?<![a-z\d+.-])(?!file:)([a-z][a-z\d+.-]{0,30}:\/\/)[^\n]{0,1000}@/gi
/** Matches an address up to its query, and the query. */
const queryOfAddress = /(?<![a-z\d+.-])(?!file:)([a-z][a-z\d+.-]{0,30}:\/\/[^\s"'`?]{0,1000})\?[^\s"'`]*/gi
const noPort = /(?<![a-z\d+.-])(?!file:)([a-z][a-z\d+.-]{0,30}:\/\/)[^\s"'`/?#@*]*:(?!\d{1,5}(?!\w))[^\s"'`]+/gi
/** Matches the form `postgres:user:password@host`, which has no slashes. */
const withoutSlashes = /(?<![a-z\d+.-])(?!file:|node:)([a-z][a-z\d+.-]{0,30}):(?!\/)[^\s:@/]{0,100}:[^\s]{0,1000}@/gi
const secretName = String.raw`[\w-]{0,40}(?:passw(?:or)?d|passphrase|pwd|secret|token|api_?key|access_?key|credential)s?`
/** Matches a secret after its name, such as `password=`. Numbers, such as fencing tokens, are no secrets. */
const named = new RegExp(
  String.raw`((?<![\w-])${secretName}(?:["']?\s*:\s*(?=["'])|["']?\s*=\s*))(?!\d+(?!\w))("[^"]*"|'[^']*'|[^\s&,;"')}\]]+)`,
  'gi',
)
const namesSecret = new RegExp(`^${secretName}$`, 'i')

/**
 * Returns an address with `***` in place of its user, password and query. If the positions of the parts are uncertain,
 * returns only the scheme and `***`. Otherwise a password with a `#`, `/` or `@` could pass for a host or a path.
 */
export function maskAddress(address: string): string {
  if (plain.test(address)) return address
  const [, head, user, rest, query] = certain.exec(address) ?? []
  if (head === undefined) return `${new RegExp(`^${scheme}`, 'i').exec(address)?.[0] ?? ''}***`
  return `${head}${user === undefined ? '' : '***@'}${rest}${query === undefined ? '' : '?***'}`
}

/** Replaces passwords in a text: passwords and queries in addresses, and values after names such as `password`. */
export function maskSecrets(text: string): string {
  const [, before = '', address] = wholeAddress.exec(text) ?? []
  if (address !== undefined && suspicious.test(address.slice(address.indexOf('://') + 3))) {
    const [, bare = '', quote = ''] = /^([\s\S]*?)([\s"'`>)}\]]{0,20})$/.exec(address) ?? []
    return `${before}${maskAddress(bare)}${quote}`
  }
  return text
    .replace(userOfAddress, '$1***@')
    .replace(queryOfAddress, '$1?***')
    .replace(noPort, '$1***')
    .replace(withoutSlashes, '$1:***@')
    .replace(named, '$1***')
}

/**
 * Returns a value for an error or a log, with its passwords masked. A value without passwords is returned unchanged.
 *
 * @param name the name of the option or member that holds the value
 */
export function maskValue(value: unknown, name = ''): unknown {
  // Searches at most 1000 members for passwords, because a database client has thousands of members.
  return masked(value, name, 0, { members: 1000 })
}

function masked(value: unknown, name: string, depth: number, left: { members: number }): unknown {
  if (typeof value === 'string') return namesSecret.test(name) && value !== '' ? '***' : maskSecrets(value)
  if (typeof value !== 'object' || value === null || depth > deepestCause) return value
  try {
    if (value instanceof Date) return value
    if (value instanceof URL) return maskSecrets(value.href) === value.href ? value : maskSecrets(value.href)
    const members = Object.entries(value)
    left.members -= members.length
    if (left.members < 0) return value
    const shown = members.map(([key, member]) => {
      return [key, masked(member, Array.isArray(value) ? name : key, depth + 1, left)] as const
    })
    if (shown.every(([, member], index) => Object.is(member, members[index]?.[1]))) return value
    if (Array.isArray(value)) return shown.map(([, member]) => member)
    const prototype: unknown = Object.getPrototypeOf(value)
    // At this line, a member of the value was masked. Return a masked copy of a plain object, but only the type tag of any
    // other object. An instance of a class may also hold the secret in data that its members do not show.
    return prototype === Object.prototype || prototype === null
      ? Object.fromEntries(shown)
      : Object.prototype.toString.call(value)
  } catch {
    // A getter or a proxy has thrown, so no member can be masked. Return the value: a logger cannot print its members either.
    return value
  }
}
