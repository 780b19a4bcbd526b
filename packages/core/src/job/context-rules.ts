import { readNumber } from '../configuration/read-value.ts'
import { invalidValue, JobistemerError, printValue } from '../errors.ts'
import type { Jsonify, JsonValue } from '../json.ts'
import type { TaskReference } from './task.ts'

// The node and the child of an isolated task share these checks of a handler's calls.

/** Checks the arguments of `progress`. @throws JobistemerError `INVALID_ARGUMENT` */
export function checkProgress(fraction: number, message: string | undefined): void {
  readNumber(fraction, 'fraction', 0, 1)
  if (message === undefined || typeof message === 'string') return
  throw invalidValue('message', 'is not a text', message, 'Give a string or leave it out.')
}

/** The result of an earlier task. @throws JobistemerError `RESULT_NOT_AVAILABLE` */
export function resultOf<Result>(
  { name }: TaskReference<Result>,
  results: Readonly<Record<string, JsonValue | undefined>>,
): Jsonify<Result> {
  if (Object.hasOwn(results, name)) return results[name] as Jsonify<Result>
  throw new JobistemerError('RESULT_NOT_AVAILABLE', {
    message: `Task ${printValue(name)} has not completed in this occurrence.`,
    field: 'task',
    value: name,
    remedy: 'Ask only for tasks that come before this one, and that completed.',
  })
}
