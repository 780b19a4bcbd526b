const longestText = 10_000

/** What was thrown as text for people: its stack, with what caused it. */
export function printError(error: unknown): string {
  const parts: string[] = []
  let cause: unknown = error
  for (let depth = 0; depth < 5 && cause !== undefined && cause !== null; depth++) {
    parts.push(printOne(cause))
    cause = cause instanceof Error ? cause.cause : undefined
  }
  const text = parts.join('\ncaused by ')
  return text.length > longestText ? `${text.slice(0, longestText)} …` : text
}

function printOne(error: unknown): string {
  try {
    if (error instanceof Error) return error.stack ?? String(error)
    return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error))
  } catch {
    // A getter or a toJSON of what was thrown throws itself.
    return 'something that cannot be printed was thrown'
  }
}
