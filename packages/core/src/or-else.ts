/**
 * Returns the result of a call, or `otherwise` if the call throws. Use `orElse` to read a user's value, because each read of a
 * member can throw.
 */
export function orElse<T>(call: () => T, otherwise: T): T {
  try {
    return call()
  } catch {
    return otherwise
  }
}
