import type { ErrorRecord } from '../storage/occurrence-record.ts'

// A failing job repeats its error for as long as it fails, so what is kept of each is bounded.
const longestMessage = 2000
const longestStack = 4000

/** What is kept of whatever a handler threw. */
export function toErrorRecord(error: unknown): ErrorRecord {
  if (!(error instanceof Error)) return { name: 'Error', message: cut(describe(error), longestMessage) }
  const code = (error as { code?: unknown }).code
  return {
    name: error.name,
    message: cut(error.message, longestMessage),
    ...(typeof code === 'string' && { code: cut(code, 100) }),
    ...(typeof error.stack === 'string' && { stack: cut(error.stack, longestStack) }),
  }
}

function describe(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    // An object without a usable toString can be thrown too.
    return Object.prototype.toString.call(thrown)
  }
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text
}
