import { cutText } from './cut-text.ts'
import { withoutOwnFrames } from './own-frames.ts'
import type { ErrorRecord } from './storage/occurrence-record.ts'
import { deepestCause, longestMessage, longestStack, mostErrorRecords, mostListed } from './tuning.ts'

/** The record of a value that a handler threw, with its cause and the errors of an `AggregateError`. */
export function toErrorRecord(error: unknown): ErrorRecord {
  return new ErrorRecorder().of(error, 0)
}

class ErrorRecorder {
  #records = 0

  of(thrown: unknown, depth: number): ErrorRecord {
    this.#records++
    try {
      if (!isErrorLike(thrown)) return { name: 'Error', message: cut(describe(thrown), longestMessage) }
      const { name, message, stack, code } = thrown
      return {
        name: cut(describe(name), 100),
        message: cut(describe(message), longestMessage),
        ...(typeof code === 'string' && { code: cut(code, 100) }),
        ...(typeof stack === 'string' && {
          stack: cut(withoutOwnFrames(stack), depth === 0 ? longestStack : longestStack / 4),
        }),
        ...this.#inner(thrown, depth),
      }
    } catch {
      // Members of an error can be getters that throw, and a proxy can reject every access.
      return { name: 'Error', message: classOf(thrown) }
    }
  }

  #inner({ cause, errors }: ErrorLike, depth: number): Pick<ErrorRecord, 'cause' | 'errors'> {
    if (depth === deepestCause) return {}
    const inner: { cause?: ErrorRecord; errors?: readonly ErrorRecord[] } = {}
    if (cause !== undefined && cause !== null && this.#records < mostErrorRecords)
      inner.cause = this.of(cause, depth + 1)
    if (Array.isArray(errors)) {
      const kept: ErrorRecord[] = []
      for (const error of errors.slice(0, mostListed)) {
        if (this.#records < mostErrorRecords) kept.push(this.of(error, depth + 1))
      }
      if (kept.length > 0) inner.errors = kept
    }
    return inner
  }
}

export interface ErrorLike {
  readonly name: unknown
  readonly message: unknown
  readonly stack?: unknown
  readonly code?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
}

/**
 * True also for errors of another realm, such as a worker or a `vm`, which are no instances of this realm's `Error`.
 * Never throws.
 */
export function isErrorLike(thrown: unknown): thrown is ErrorLike {
  try {
    return thrown instanceof Error || Object.prototype.toString.call(thrown) === '[object Error]'
  } catch {
    // A proxy can refuse everything.
    return false
  }
}

function describe(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown
  try {
    const text = String(thrown)
    // The members of a thrown object that is no error tell more than its class.
    if (typeof thrown === 'object' && thrown !== null && text === '[object Object]') {
      return JSON.stringify(thrown) ?? text
    }
    return text
  } catch {
    // An object without a usable toString, or a cyclic one, can be thrown too.
    return classOf(thrown)
  }
}

function classOf(thrown: unknown): string {
  try {
    return Object.prototype.toString.call(thrown)
  } catch {
    return 'something that cannot be read was thrown'
  }
}

function cut(text: string, length: number): string {
  return text.length > length ? `${cutText(text, length - 1)}…` : text
}
