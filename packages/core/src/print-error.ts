import { isErrorLike } from './error-record.ts'
import { withoutOwnFrames } from './own-frames.ts'
import { longestPrintedError } from './tuning.ts'

/** A thrown value as text for people: its stack and its causes. */
export function printError(error: unknown): string {
  const parts: string[] = []
  let cause: unknown = error
  for (let depth = 0; depth < 5 && cause !== undefined && cause !== null; depth++) {
    parts.push(printOne(cause))
    cause = causeOf(cause)
  }
  const text = parts.join('\ncaused by ')
  return text.length > longestPrintedError ? `${text.slice(0, longestPrintedError)} …` : text
}

function causeOf(error: unknown): unknown {
  try {
    return isErrorLike(error) ? error.cause : undefined
  } catch {
    // A proxy, or a getter, that throws.
    return undefined
  }
}

function printOne(error: unknown): string {
  try {
    if (isErrorLike(error)) return withoutOwnFrames(typeof error.stack === 'string' ? error.stack : String(error))
    return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error))
  } catch {
    // A getter or a toJSON of the thrown value throws itself.
    return 'something that cannot be printed was thrown'
  }
}
