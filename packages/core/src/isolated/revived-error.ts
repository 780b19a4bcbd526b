import { type ErrorCode, JobistemerError } from '../errors.ts'
import type { ErrorRecord } from '../storage/occurrence-record.ts'

/** Makes an error from the record of an error in another thread or process. */
export function revivedError(record: ErrorRecord): Error {
  const { name, message, code, stack, cause, errors } = record
  const options = cause === undefined ? undefined : { cause: revivedError(cause) }
  const error =
    name === 'JobistemerError' && code !== undefined
      ? new JobistemerError(code as ErrorCode, { message, cause: options?.cause })
      : errors === undefined
        ? new Error(message, options)
        : new AggregateError(errors.map(revivedError), message, options)
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  if (code !== undefined && !('code' in error)) Object.defineProperty(error, 'code', { value: code, enumerable: true })
  Object.defineProperty(error, 'stack', { value: stack ?? `${name}: ${message}`, configurable: true, writable: true })
  return error
}
