import { hash } from 'node:crypto'

/**
 * A digest of plain data: equal data have equal fingerprints, whatever the order of their members and whether they have
 * been through a storage, which keeps them as JSON. 32 hex digits.
 */
export function fingerprintOf(value: unknown): string {
  return hash('sha256', canonicalJson(value), 'hex').slice(0, 32)
}

/** Whether two pieces of plain data have equal fingerprints. */
export function isSameData(left: unknown, right: unknown): boolean {
  // Nearly always the members stand in the same order.
  return JSON.stringify(left) === JSON.stringify(right) || canonicalJson(left) === canonicalJson(right)
}

function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const object = value as Readonly<Record<string, unknown>>
  let members = ''
  for (const name of Object.keys(object).sort()) {
    const member = object[name]
    if (member === undefined) continue
    members += `${members === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(member)}`
  }
  return `{${members}}`
}
