import { cutText } from './cut-text.ts'
import type { ErrorRecord } from './storage/occurrence-record.ts'
import { deepestCause, longestMessage, longestStack, mostErrorRecords, mostListed } from './tuning.ts'
import { orElse } from './or-else.ts'

/**
 * Makes the stored record of a value that a handler threw. The record includes the causes of an error and the errors of an
 * `AggregateError`.
 */
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
          stack: cut(stack, depth === 0 ? longestStack : longestStack / 4),
        }),
        ...this.#inner(thrown, depth),
      }
    } catch {
      // A getter or a proxy of the error may throw. Then the record names only the class.
      return { name: 'Error', message: classOf(thrown) }
    }
  }

  #inner({ cause, errors }: ErrorLike, depth: number): Pick<ErrorRecord, 'cause' | 'errors'> {
    if (depth === deepestCause) return {}
    const isRecorded = cause !== undefined && cause !== null && this.#records < mostErrorRecords
    const recorded = isRecorded ? { cause: this.of(cause, depth + 1) } : {}
    const kept = (Array.isArray(errors) ? errors.slice(0, mostListed) : []).flatMap((error) =>
      this.#records < mostErrorRecords ? [this.of(error, depth + 1)] : [],
    )
    return kept.length === 0 ? recorded : { ...recorded, errors: kept }
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
 * Returns true for every error, also for an error of another realm, such as a worker or a `vm`. Such an error is no instance of
 * this realm's `Error`. Never throws.
 */
export function isErrorLike(thrown: unknown): thrown is ErrorLike {
  return orElse(() => thrown instanceof Error || Object.prototype.toString.call(thrown) === '[object Error]', false)
}

function describe(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown
  try {
    const text = String(thrown)
    // For a thrown object that is no error, show its members: they tell more than the name of its class.
    if (typeof thrown === 'object' && thrown !== null && text === '[object Object]') {
      return JSON.stringify(thrown) ?? text
    }
    return text
  } catch {
    // For a cyclic object, or one without a usable `toString`, the text is only the name of its class.
    return classOf(thrown)
  }
}

function classOf(thrown: unknown): string {
  return orElse(() => Object.prototype.toString.call(thrown) as string, 'something that cannot be read was thrown')
}

function cut(text: string, length: number): string {
  return text.length > length ? `${cutText(text, length - 1)}…` : text
}

/** Prints a thrown value for people: its stack, the errors of an `AggregateError`, and the stacks of its causes. */
export function printError(error: unknown): string {
  const text = printRecord(toErrorRecord(error))
  // Cut the text after 10,000 characters, so that the log line stays readable.
  return text.length > 10_000 ? `${text.slice(0, 10_000)} …` : text
}

function printRecord({ name, message, stack, code, cause, errors = [] }: ErrorRecord): string {
  const parts = [withCode(stack ?? `${name}: ${message}`, code)]
  for (const [index, one] of errors.entries()) parts.push(`error ${index + 1}: ${printRecord(one)}`)
  if (cause !== undefined) parts.push(`caused by ${printRecord(cause)}`)
  return parts.join('\n')
}

/** Returns the stack with the error's code after the class, as Node.js prints its own errors: `Error [ENOSPC]: no space`. */
function withCode(stack: string, code: string | undefined): string {
  if (code === undefined || stack.split('\n', 1)[0]?.includes(code)) return stack
  const end = stack.search(/:|\n|$/)
  return `${stack.slice(0, end)} [${code}]${stack.slice(end)}`
}
