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
  const failed = (error: unknown): never => {
    throw invalidPayload(data, place, 'the schema itself failed', error)
  }
  const judge = (result: unknown): JsonValue | undefined => {
    const { wrong, value, cause } = readResult(result)
    if (wrong !== undefined) throw invalidPayload(data, place, wrong, cause)
    return value === undefined ? undefined : toJsonValue(value, place.field)
  }
  let result: unknown
  try {
    result = schema['~standard'].validate(data)
    // Convert a promise of another library to a native promise: the `then` of the library may throw, or call both callbacks.
    if (isThenable(result)) result = Promise.resolve(result)
  } catch (error) {
    return failed(error)
  }
  return result instanceof Promise ? result.then(judge, failed) : judge(result)
}

/**
 * Returns the output of a schema, or the text `wrong` that describes why the schema rejects the value. `cause`: the error that
 * the result of a faulty schema has thrown.
 */
function readResult(result: unknown): { readonly wrong?: string; readonly value?: unknown; readonly cause?: unknown } {
  try {
    const { issues, value } = result as { readonly issues?: readonly SchemaIssue[]; readonly value?: unknown }
    if (issues !== undefined) return { wrong: describeIssues(issues) }
    return 'value' in (result as object) ? { value } : { wrong: 'the schema returned neither a value nor issues' }
  } catch (cause) {
    return { wrong: 'the schema itself failed', cause }
  }
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
