import { readdirSync, readFileSync } from 'node:fs'
import { Ajv2020, type AnySchemaObject, type ValidateFunction } from 'ajv/dist/2020.js'

const folder = new URL('../schema/', import.meta.url)
const sharedBy: Readonly<Record<string, string>> = {
  replay: 'trigger',
  resume: 'pause',
  remove: 'pause',
  apply: 'plan',
}
const ajv = new Ajv2020({ strict: true, allErrors: true })
const validators = new Map<string, ValidateFunction>()

for (const file of readdirSync(folder)) ajv.addSchema(closed(JSON.parse(readFileSync(new URL(file, folder), 'utf8'))))

/** @throws Error if a JSON document does not match the schema of its command, or has members that the schema does not define */
export function assertDocument(command: string, document: unknown): void {
  const name = sharedBy[command] ?? command
  const validate = validators.get(name) ?? ajv.getSchema(`https://unpkg.com/@jobistemer/cli/schema/${name}.json`)
  if (validate === undefined) throw new Error(`There is no schema of ${command}.`)
  validators.set(name, validate as ValidateFunction)
  if (validate(document) === true) return
  throw new Error(`${command} --json is not as its schema says: ${ajv.errorsText(validate.errors)}`)
}

/** Returns a copy of a published schema that also rejects members which the schema does not define. */
function closed(schema: AnySchemaObject): AnySchemaObject {
  if (Array.isArray(schema)) return schema.map((part) => closed(part)) as unknown as AnySchemaObject
  if (typeof schema !== 'object' || schema === null) return schema
  const parts = Object.fromEntries(
    Object.entries(schema).map(([name, part]) => [name, closed(part as AnySchemaObject)]),
  )
  const names = typeof schema.properties === 'object' && schema.type === 'object'
  return names && !('additionalProperties' in schema) ? { ...parts, additionalProperties: false } : parts
}
