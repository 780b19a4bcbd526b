// If a ledger keeps objects, core copies all values that enter or leave the storage, as serialization would. Values that rarely
// change, such as a job's definition, are copied and frozen when they enter the storage. They leave the storage without a copy.

const nothing = Object.freeze({})

/**
 * Returns a copy of a value that enters the storage, without members that are `undefined`. Most slots have no details, and
 * share one empty object.
 */
export function copyIn<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  return Array.isArray(value) ? (value.map(copyIn) as T) : copyMembers(value, copyIn)
}

/** Returns a deeply frozen copy of a value that enters the storage. Returns the value itself if it is deeply frozen already. */
export function freezeIn<T>(value: T): T {
  if (isDeeplyFrozen(value)) return value
  const copy = Array.isArray(value) ? (value.map(freezeIn) as T) : copyMembers(value as T & object, freezeIn)
  return Object.freeze(copy)
}

function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen)
}

/** Returns a copy of a value that leaves the storage. Frozen parts are not copied. */
export function copyOut<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  return Array.isArray(value) ? (value.map(copyOut) as T) : copyMembers(value, copyOut)
}

function copyMembers<T extends object>(value: T, copyMember: (member: unknown) => unknown): T {
  // A spread is the fastest copy, and keeps a member named `__proto__`.
  const copy = { ...value } as Record<string, unknown>
  let isEmpty = true
  for (const key in copy) {
    const member = copy[key]
    if (typeof member === 'object') copy[key] = copyMember(member)
    else if (member === undefined) delete copy[key]
    isEmpty &&= member === undefined
  }
  return (isEmpty ? nothing : copy) as T
}
