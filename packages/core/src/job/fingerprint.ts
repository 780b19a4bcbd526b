import { hash } from 'node:crypto'

/** Returns a digest of plain data: 32 hex digits. The order of members and a JSON round trip do not change the digest. */
export function fingerprintOf(value: unknown): string {
  // Cut the bytes of the digest, not its text. In V8, a part of a text keeps the whole text in memory, here 64 digits for each
  // job.
  return hash('sha256', canonicalJson(value), 'buffer').toString('hex', 0, 16)
}

/** Returns whether two pieces of plain data have equal fingerprints. */
export function isSameData(left: unknown, right: unknown): boolean {
  // First compare without sorting the members. Their order is nearly always the same, and sorting takes longer than this
  // comparison.
  return JSON.stringify(left) === JSON.stringify(right) || canonicalJson(left) === canonicalJson(right)
}

function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const object = value as Readonly<Record<string, unknown>>
  let members = ''
  for (const name of Object.keys(object).sort()) {
    if (object[name] === undefined) continue
    members += `${members === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(object[name])}`
  }
  return `{${members}}`
}
