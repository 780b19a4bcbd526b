import { invalidValue, JobistemerError, printValue } from '../errors.ts'
import { type JsonValue, toJsonValue } from '../json.ts'
import { isThenable } from '../rejection.ts'
import type { SchemaIssue, StandardSchema } from '../standard-schema.ts'
import { mostListed } from '../tuning.ts'

/** The payload schema of a job, made by any library that implements Standard Schema. */
export type PayloadSchema<Input = unknown> = StandardSchema<Input, unknown>

/** Checks that a value is a schema. @throws JobistemerError `INVALID_ARGUMENT` */
export function readPayloadSchema<Input>(schema: PayloadSchema<Input>, field: string): PayloadSchema<Input> {
  // Accept functions too, because some libraries make schemas that are functions.
  const isHolder = (typeof schema === 'object' && schema !== null) || typeof schema === 'function'
  const standard = isHolder ? schema['~standard'] : undefined
  if (standard?.version === 1 && typeof standard.validate === 'function') return schema
  throw invalidValue(
    field,
    'is not a schema',
    schema,
    'Give a Standard Schema of version 1, such as zod, valibot and arktype make.',
  )
}

/** The place of a request's data: the job, and the argument that holds the data. Error messages name both. */
interface PayloadPlace {
  readonly jobName: string
  /** The argument that holds the data: `data`, `items[3].data`. */
  readonly field: string
}

/**
 * Checks data by the schema, and returns the schema's output as JSON; `undefined` without output. Returns a promise only if the
 * schema returns one.
 * @throws JobistemerError `INVALID_PAYLOAD`; `INVALID_ARGUMENT`, `DATA_TOO_LARGE` for an output that JSON cannot keep
 */
export function parsePayload(
  schema: PayloadSchema,
  data: unknown,
  place: PayloadPlace,
): JsonValue | undefined | Promise<JsonValue | undefined> {
  const failed = (error: unknown) => invalidPayload(data, place, 'the schema itself failed', error)
  const judge = (result: unknown): JsonValue | undefined => {
    let read: ReadResult
    try {
      read = readResult(result)
    } catch (error) {
      throw failed(error)
    }
    if (read.wrong !== null) throw invalidPayload(data, place, read.wrong)
    return read.value === undefined ? undefined : toJsonValue(read.value, place.field)
  }
  let result: unknown
  try {
    result = schema['~standard'].validate(data)
    // Convert a promise of another library to a native promise: the `then` of the library may throw, or call both callbacks.
    if (isThenable(result)) result = Promise.resolve(result)
  } catch (error) {
    throw failed(error)
  }
  if (!(result instanceof Promise)) return judge(result)
  return result
    .catch((error: unknown) => {
      throw failed(error)
    })
    .then(judge)
}

/** The output of a schema, or a text that describes why the schema rejects the value. */
type ReadResult = { readonly wrong: null; readonly value: unknown } | { readonly wrong: string }

/**
 * Reads the result of a schema's `validate`. If a getter of the result throws, this function throws the same error.
 *
 * @throws JobistemerError `INVALID_ARGUMENT` for a value that is no Standard Schema result
 */
function readResult(result: unknown): ReadResult {
  if (typeof result === 'object' && result !== null) {
    const { issues } = result as { readonly issues?: unknown }
    if (issues === undefined && 'value' in result) return { wrong: null, value: result.value }
    if (Array.isArray(issues)) return { wrong: describeIssues(issues as readonly SchemaIssue[]) }
  }
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `The schema returned no Standard Schema result: ${printValue(result)}.`,
    field: 'payload',
    value: result,
    remedy: 'Return { value }, or { issues } with a list of { message, path }.',
  })
}

function invalidPayload(data: unknown, { jobName, field }: PayloadPlace, what: string, cause?: unknown): Error {
  return new JobistemerError('INVALID_PAYLOAD', {
    message: `${field} does not fit the payload schema of job ${printValue(jobName)}: ${what}.`,
    field,
    value: data,
    remedy: 'Give data as the schema says.',
    cause,
  })
}

function describeIssues(issues: readonly SchemaIssue[]): string {
  const told = issues.slice(0, mostListed).map(describeIssue)
  if (told.length === 0) return 'the schema names no issue'
  if (issues.length > mostListed) told.push(`${issues.length - mostListed} more`)
  return told.join('; ')
}

function describeIssue({ message, path = [] }: SchemaIssue): string {
  // Remove the final period of the message, because the message becomes part of a sentence.
  const text = message.replace(/\.$/, '')
  const keys = path.map((step) => (typeof step === 'object' ? step.key : step))
  const place = keys.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  return place === '' ? text : `${place.replace(/^\./, '')}: ${text}`
}
