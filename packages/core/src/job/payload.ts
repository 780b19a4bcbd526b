import { JobistemerError, printValue } from '../errors.ts'
import { type JsonValue, toJsonValue } from '../json.ts'
import type { SchemaIssue, SchemaResult, StandardSchema } from '../standard-schema.ts'

/** What the schema of a job's data makes of any value. */
export type PayloadSchema<Input = unknown> = StandardSchema<Input, unknown>

/** Checks that a value is a schema. @throws JobistemerError `INVALID_ARGUMENT` */
export function readPayloadSchema<Input>(schema: PayloadSchema<Input>, field: string): PayloadSchema<Input> {
  // Some libraries make functions.
  const isHolder = (typeof schema === 'object' && schema !== null) || typeof schema === 'function'
  const standard = isHolder ? schema['~standard'] : undefined
  if (standard?.version === 1 && typeof standard.validate === 'function') return schema
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `${field} is not a schema: ${printValue(schema)}.`,
    field,
    value: schema,
    remedy: 'Give a Standard Schema of version 1, such as zod, valibot and arktype make.',
  })
}

/** Where data come from, for messages. */
interface PayloadPlace {
  readonly jobName: string
  /** `data`, `items[3].data`. */
  readonly field: string
}

/**
 * What the schema makes of data, as JSON; `undefined` for none. A promise only where the schema needs one.
 * @throws JobistemerError `INVALID_PAYLOAD`; `INVALID_ARGUMENT`, `DATA_TOO_LARGE` for what JSON cannot keep
 */
export function parsePayload(
  schema: PayloadSchema,
  data: unknown,
  place: PayloadPlace,
): JsonValue | undefined | Promise<JsonValue | undefined> {
  const judge = (result: SchemaResult<unknown>): JsonValue | undefined => {
    if (result.issues !== undefined) throw invalidPayload(data, place, describeIssues(result.issues))
    return result.value === undefined ? undefined : toJsonValue(result.value, place.field)
  }
  const failed = (error: unknown) => invalidPayload(data, place, 'the schema itself failed', error)
  let result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>
  try {
    result = schema['~standard'].validate(data)
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

function invalidPayload(data: unknown, { jobName, field }: PayloadPlace, what: string, cause?: unknown): Error {
  return new JobistemerError('INVALID_PAYLOAD', {
    message: `${field} does not fit the payload schema of job ${printValue(jobName)}: ${what}.`,
    field,
    value: data,
    remedy: 'Give data as the schema says.',
    cause,
  })
}

/** So many are told; whoever mends these sees the others. */
const mostIssues = 10

function describeIssues(issues: readonly SchemaIssue[]): string {
  const told = issues.slice(0, mostIssues).map(describeIssue)
  if (issues.length > mostIssues) told.push(`${issues.length - mostIssues} more`)
  return told.join('; ')
}

function describeIssue({ message, path = [] }: SchemaIssue): string {
  // The sentence that it becomes part of has its own end.
  const text = message.replace(/\.$/, '')
  const keys = path.map((step) => (typeof step === 'object' ? step.key : step))
  const place = keys.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  return place === '' ? text : `${place.replace(/^\./, '')}: ${text}`
}
