import { type Span, SpanStatusCode } from '@opentelemetry/api'
import { maskSecrets } from '@jobistemer/core/storage'
import { conventional } from './conventions.ts'

// Maximum length of a recorded error message, in characters. Longer messages are cut.
const longestMessage = 1000

/** Records an error on the span: its type, its message, and its stack if it has one. Masks passwords, as the logger does. */
export function recordError(span: Span, error: unknown): void {
  const type = typeOf(error)
  span.setAttribute(conventional.errorType, type)
  const message = messageOf(error)
  const stack = stackOf(error)
  const exception = { name: nameOf(error), message }
  span.recordException(stack === undefined ? exception : { ...exception, stack })
  span.setStatus({ code: SpanStatusCode.ERROR, message })
}

/** Records on the span a failure for which there is no error object. */
export function recordFailure(span: Span, type: string, message: string): void {
  span.setAttribute(conventional.errorType, type)
  span.setStatus({ code: SpanStatusCode.ERROR, message })
}

/**
 * Returns the code of an error, or its name if the error has no code. Ignores the name of the error's class, because
 * minifiers change class names.
 */
export function typeOf(error: unknown): string {
  const code = memberOf(error, 'code')
  return typeof code === 'string' && code !== '' && code.length <= 100 ? code : nameOf(error)
}

function nameOf(error: unknown): string {
  const name = memberOf(error, 'name')
  return typeof name === 'string' && name !== '' ? name.slice(0, 100) : '_OTHER'
}

function messageOf(error: unknown): string {
  const message = memberOf(error, 'message')
  return masked(typeof message === 'string' ? message : print(error), longestMessage)
}

function stackOf(error: unknown): string | undefined {
  const stack = memberOf(error, 'stack')
  if (typeof stack !== 'string') return undefined
  // A frame has no secrets, and paths of packages contain `@`.
  const lines = stack.slice(0, 10 * longestMessage).split('\n')
  return lines.map((line) => (/^\s+at /.test(line) ? line : masked(line, longestMessage))).join('\n')
}

/** Cuts a text and masks its passwords. Twice the length is enough to find a password that the cut would divide. */
function masked(text: string, length: number): string {
  return maskSecrets(text.slice(0, 2 * length)).slice(0, length)
}

/** Returns a member of a thrown value, or `undefined` if reading it throws, as in a getter or proxy. */
function memberOf(error: unknown, name: string): unknown {
  try {
    return typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined
  } catch {
    return undefined
  }
}

function print(error: unknown): string {
  try {
    return String(error)
  } catch {
    // A thrown object may have no usable toString.
    return '[unreadable]'
  }
}
