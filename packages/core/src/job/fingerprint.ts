import { hash } from 'node:crypto'

/**
 * A digest of plain data: equal data have equal fingerprints, whatever the order of their members and whether they have
 * been through a storage, which keeps them as JSON. 32 hex digits.
 */
export function fingerprintOf(value: unknown): string {
  return hash('sha256', canonicalJson(value), 'hex').slice(0, 32)
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  members.sort(([left], [right]) => (left < right ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`
}
