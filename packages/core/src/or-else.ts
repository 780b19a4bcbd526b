/** Returns the result of a call; `otherwise` if it throws. Values of users can throw at every access. */
export function orElse<T>(call: () => T, otherwise: T): T {
  try {
    return call()
  } catch {
    return otherwise
  }
}
