import { JobistemerError, printValue } from '@jobistemer/core'
import type { JobistemerModuleAsyncOptions, JobistemerOptionsFactory } from './module-options.ts'

/**
 * Checks that the options are an object, and that `jobs`, `handlers`, `start` and `closeStorage` have the right types. The
 * scheduler or the client checks all other options.
 * @param from the name of the called method, for the message of an error
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function checkOptions<Options extends object>(options: Options, from: string): Options {
  if (typeof options !== 'object' || options === null) {
    throw invalid('options', options, `${from} got no options`, 'Give an object with storage.')
  }
  const { jobs, handlers, start, closeStorage } = options as Readonly<Record<string, unknown>>
  if (jobs !== undefined && !Array.isArray(jobs)) {
    throw invalid('jobs', jobs, 'jobs is not a list', 'Give an array of what defineJob() returns.')
  }
  if (handlers !== undefined && (typeof handlers !== 'object' || handlers === null)) {
    throw invalid('handlers', handlers, 'handlers is not an object', 'Give an object with a function for each name.')
  }
  assertBoolean(start, 'start')
  assertBoolean(closeStorage, 'closeStorage')
  return options
}

function assertBoolean(value: unknown, field: string): void {
  if (value === undefined || typeof value === 'boolean') return
  throw invalid(field, value, `${field} is neither true nor false`, 'Give true or false.')
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function checkAsyncOptions<Options>(
  options: JobistemerModuleAsyncOptions<Options>,
  from: string,
): JobistemerModuleAsyncOptions<Options> {
  const { useFactory, useClass, useExisting } = Object(options) as JobistemerModuleAsyncOptions<Options>
  const given = [useFactory, useClass, useExisting].filter((one) => one !== undefined)
  if (given.length === 1 && (useFactory === undefined || typeof useFactory === 'function')) return options
  throw invalid(
    'options',
    options,
    `${from} cannot make options`,
    'Give exactly one of useFactory, useClass and useExisting.',
  )
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function checkFactory<Options>(factory: JobistemerOptionsFactory<Options>): JobistemerOptionsFactory<Options> {
  if (typeof factory?.createJobistemerOptions === 'function') return factory
  throw invalid(
    'useClass',
    factory,
    'the class has no method createJobistemerOptions',
    'Let the class implement JobistemerOptionsFactory.',
  )
}

function invalid(field: string, value: unknown, what: string, remedy: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', { message: `${what}: ${printValue(value)}.`, field, value, remedy })
}
