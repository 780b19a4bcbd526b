import type { ErrorRecord } from '../../storage/occurrence-record.ts'

// A failing job repeats its error for as long as it fails, so what is kept of each is bounded.
const longestMessage = 2000
const longestStack = 4000

/** What is kept of whatever a handler threw. */
export function toErrorRecord(error: unknown): ErrorRecord {
  if (!(error instanceof Error)) return { name: 'Error', message: cut(describe(error), longestMessage) }
  try {
    const { name, message, stack, code } = error as Error & { readonly code?: unknown }
    return {
      name: describe(name),
      message: cut(describe(message), longestMessage),
      ...(typeof code === 'string' && { code: cut(code, 100) }),
      ...(typeof stack === 'string' && { stack: cut(stack, longestStack) }),
    }
  } catch {
    // Members of an error can be getters that throw.
    return { name: 'Error', message: Object.prototype.toString.call(error) }
  }
}

function describe(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown
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
