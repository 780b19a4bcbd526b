import type { BulkPart, ProblemView } from '../wire.ts'
import { base } from './base.ts'

/** The reason for which a request failed: the status, code and message of the server, or a network error. */
export class RequestError extends Error {
  readonly status: number
  readonly code: string
  readonly field: string | null
  /** The results of a bulk action before the error stopped it. `undefined` for other requests. */
  readonly part: BulkPart | undefined

  constructor(status: number, { code, message, field }: ProblemView['error'], part?: BulkPart) {
    super(message)
    this.part = part
    this.status = status
    this.code = code
    this.field = field
  }
}

/**
 * Returns whether the server may have performed an action although its request failed. The page then does not know the outcome:
 * the answer is lost, comes from a proxy, or reports a failure of the server.
 */
export function mayHaveActed(error: unknown): boolean {
  if (!(error instanceof RequestError)) return true
  return error.code === 'UNREACHABLE' || error.code === 'FOREIGN_ANSWER' || error.status >= 500
}

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>

/** Returns a path with a query. Omits empty members of the query. */
export function pathOf(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') parameters.set(name, String(value))
  }
  const text = parameters.toString()
  return text === '' ? path : `${path}?${text}`
}

export async function read<T>(path: string, signal?: AbortSignal): Promise<T> {
  return answerOf<T>(await send(path, { ...(signal !== undefined && { signal }) }))
}

export async function act<T>(path: string, body: object): Promise<T> {
  const headers = { 'content-type': 'application/json', 'x-jobistemer': '1' }
  return answerOf<T>(await send(path, { method: 'POST', headers, body: JSON.stringify(body) }))
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`${base}${path}`, { credentials: 'same-origin', ...init })
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw unreachable()
  }
}

async function answerOf<T>(response: Response): Promise<T> {
  const text = await response.text().catch((): never => {
    throw unreachable()
  })
  const value = parsed(text)
  if (response.ok && value !== undefined) return value as T
  const { error, part } = Object(value) as Partial<ProblemView>
  // A proxy or gateway before the dashboard may also answer with JSON.
  if (!response.ok && typeof error?.code === 'string') throw new RequestError(response.status, error, part)
  const message = `The server answered with status ${response.status}, and not as this dashboard does.`
  throw new RequestError(response.status, { code: 'FOREIGN_ANSWER', message, field: null })
}

/** Parses JSON. Returns `undefined` for text that is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function unreachable(): RequestError {
  const message = 'The server of this dashboard does not answer.'
  return new RequestError(0, { code: 'UNREACHABLE', message, field: null })
}

/** Returns a new random request key. If the page sends a request twice, the key prevents a second run. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12))
  return `dashboard ${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
