import { hash } from 'node:crypto'
import { rememberedValues } from '../tuning.ts'

/**
 * Returns a digest of plain data: 32 hex digits. Equal data have equal fingerprints, whatever the order of their members, and
 * before and after a JSON round trip.
 */
export function fingerprintOf(value: unknown): string {
  // Cut the digest as bytes. If a text were cut, V8 would keep all its 64 digits in memory for each job.
  return hash('sha256', canonicalJson(value), 'buffer').toString('hex', 0, 16)
}

/** Returns whether two pieces of plain data have equal fingerprints. */
export function isSameData(left: unknown, right: unknown): boolean {
  // First compare without sorting the members. Their order is nearly always the same, and sorting takes longer than this
  // comparison.
  return isAlike(left, right) || canonicalJson(left) === canonicalJson(right)
}

/** Returns whether two values are equal and have their members in the same order. */
function isAlike(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  const names = Object.keys(left)
  const others = Object.keys(right)
  if (names.length !== others.length || Array.isArray(left) !== Array.isArray(right)) return false
  return names.every((name, index) => {
    const [one, other] = [left, right] as Readonly<Record<string, unknown>>[]
    return name === others[index] && isAlike(one?.[name], other?.[name])
  })
}

function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const object = value as Readonly<Record<string, unknown>>
  let members = ''
  for (const name of sortedNames(object)) {
    const member = object[name]
    if (member === undefined) continue
    members += `${members === '' ? '' : ','}${quoted(name)}:${canonicalJson(member)}`
  }
  return `{${members}}`
}

function sortedNames(object: object): readonly string[] {
  const names = Object.keys(object)
  for (let index = 1; index < names.length; index++) {
    if ((names[index - 1] as string) > (names[index] as string)) return names.sort()
  }
  return names
}

// Cache of quoted member names: all definitions have the same few names. Its size is bounded, because the data of a user may
// have any names.
const quotedNames = new Map<string, string>()

function quoted(name: string): string {
  const known = quotedNames.get(name)
  if (known !== undefined) return known
  const text = JSON.stringify(name)
  if (quotedNames.size < rememberedValues) quotedNames.set(name, text)
  return text
}
