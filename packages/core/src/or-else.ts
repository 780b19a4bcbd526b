/**
 * Returns the result of a call, or `otherwise` if the call throws. A user's value can throw whenever one of its members is
 * read.
 */
export function orElse<T>(call: () => T, otherwise: T): T {
  try {
    return call()
  } catch {
    return otherwise
  }
}
