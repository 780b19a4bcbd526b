// Redis stores a missing instant as 9e15 or -9e15, so that comparisons in scripts need no special case. Instants of
// JavaScript lie between -8.64e15 and 8.64e15.

/** Stored in place of `null` for an event that does not happen: no next slot, or no end. */
export const never = 9e15

/** The number that stands for a missing lower limit of instants. */
export const always = -9e15

export function orNever(instant: number | null): number {
  return instant ?? never
}

export function instantOf(stored: number): number | null {
  return stored === never || stored === always ? null : stored
}

export function readInstant(bytes: Buffer, offset: number): number | null {
  return instantOf(bytes.readDoubleLE(offset))
}

// Layouts describe binary fields once for both languages: TypeScript uses the offsets, and scripts use the formats of `struct`.

type FieldType = 'byte' | 'uint16' | 'uint32' | 'number' | 'id'

/**
 * For each field type: the `struct` format, the size, and the methods of `Buffer` that read and write the type. Ids
 * have separate methods.
 */
const types = {
  byte: { form: 'B', size: 1, write: 'writeUInt8', read: 'readUInt8' },
  uint16: { form: 'I2', size: 2, write: 'writeUInt16LE', read: 'readUInt16LE' },
  uint32: { form: 'I4', size: 4, write: 'writeUInt32LE', read: 'readUInt32LE' },
  // An instant or a count, as a double: exact up to 2^53.
  number: { form: 'd', size: 8, write: 'writeDoubleLE', read: 'readDoubleLE' },
  id: { form: 'c16', size: 16, write: null, read: null },
} as const

/**
 * Adjacent fields in little-endian order. TypeScript code reads them from a buffer, and scripts read them from a Lua
 * string.
 */
export interface Layout<Name extends string> {
  readonly names: readonly Name[]
  /** Total size of all fields, in bytes. */
  readonly size: number
  /** Offset of each field, in bytes. */
  readonly at: Readonly<Record<Name, number>>
  /** Offset after each field, in bytes. */
  readonly end: Readonly<Record<Name, number>>
  readonly types: Readonly<Record<Name, FieldType>>
}

/** Creates a layout whose fields are adjacent in the given order. */
export function defineLayout<Name extends string>(fields: Readonly<Record<Name, FieldType>>): Layout<Name> {
  const names = Object.keys(fields) as Name[]
  const at = {} as Record<Name, number>
  const end = {} as Record<Name, number>
  let size = 0
  for (const name of names) {
    at[name] = size
    size += types[fields[name]].size
    end[name] = size
  }
  return { names, size, at, end, types: fields }
}

type FieldsByKind = Readonly<Record<string, Readonly<Record<string, FieldType>>>>

/** A group of layouts, each under the name of its kind. */
export type Layouts<Kinds> = { readonly [Kind in keyof Kinds]: Layout<keyof Kinds[Kind] & string> }

export function defineLayouts<Kinds extends FieldsByKind>(kinds: Kinds): Layouts<Kinds> {
  const layouts = Object.entries(kinds).map(([kind, fields]) => [kind, defineLayout(fields)])
  return Object.fromEntries(layouts) as Layouts<Kinds>
}

/** Writes the fields that have a value, except ids, at the beginning of `bytes`. Default of `bytes`: a new buffer of zeros. */
export function printFields<Name extends string>(
  layout: Layout<Name>,
  values: Readonly<Partial<Record<Name, number | boolean>>>,
  bytes: Buffer = Buffer.alloc(layout.size),
): Buffer {
  for (const name of layout.names) {
    const { write } = types[layout.types[name]]
    if (write !== null && values[name] !== undefined) bytes[write](Number(values[name]), layout.at[name])
  }
  return bytes
}

/** Reads the values of all fields of a layout, except ids, from bytes. */
export function parseFields<Name extends string>(layout: Layout<Name>, bytes: Buffer): Readonly<Record<Name, number>> {
  const values = {} as Record<Name, number>
  for (const name of layout.names) {
    const { read } = types[layout.types[name]]
    if (read !== null) values[name] = bytes[read](layout.at[name])
  }
  return values
}

/**
 * Maps fields to texts in Lua. If a script reads the fields, each text is the name of a local variable. If a script writes the
 * fields, each text is an expression for the value.
 */
type Parts<Name extends string> = Readonly<Partial<Record<Name, string>>>

/** Maps every field to its own name with a prefix: `allFields(layout, 'r.')`. */
export function allFields<Name extends string>(layout: Layout<Name>, prefix = ''): Readonly<Record<Name, string>> {
  return Object.fromEntries(layout.names.map((name) => [name, prefix + name])) as Record<Name, string>
}

/**
 * Returns a map from each field between `first` and `last`, both included, to a name. The name comes from `others`; if `others`
 * has no name for the field, it is the field's own name.
 */
export function fieldsBetween<Name extends string>(
  { names }: Layout<Name>,
  [first, last]: readonly [Name, Name],
  others?: Parts<Name>,
): Parts<Name> {
  const some = names.slice(names.indexOf(first), names.indexOf(last) + 1)
  return { ...Object.fromEntries(some.map((name) => [name, name])), ...others } as Parts<Name>
}

/** Returns the names of all fields from the first to the last given field. */
function spanOf<Name extends string>({ names }: Layout<Name>, parts: Parts<Name>): readonly Name[] {
  const given = names.filter((name) => parts[name] !== undefined)
  if (given.length === 0 || given.length < Object.keys(parts).length) {
    const [wanted, all] = [Object.keys(parts).join(', '), names.join(', ')]
    throw new Error(`Each given field must be in the Redis layout. Given: ${wanted}. Layout: ${all}.`)
  }
  return names.slice(names.indexOf(given[0] as Name), names.indexOf(given.at(-1) as Name) + 1)
}

function formOf<Name extends string>(layout: Layout<Name>, names: readonly Name[]): string {
  return `'<${names.map((name) => types[layout.types[name]].form).join('')}'`
}

/**
 * Returns Lua code that reads each field into the local variable that `parts` names.
 *
 * @param place the Lua expression of the layout's position in the text. Default: the beginning of the text.
 * @param next the local variable that receives the position after the last field.
 */
export function readFields<Name extends string>(
  layout: Layout<Name>,
  text: string,
  parts: Parts<Name>,
  { place, next }: { readonly place?: string; readonly next?: string } = {},
): string {
  const names = spanOf(layout, parts)
  const locals = names.map((name) => parts[name] ?? '_')
  if (next !== undefined) locals.push(next)
  const offset = layout.at[names[0] as Name]
  const start = place === undefined ? `${offset + 1}` : offset === 0 ? place : `${place} + ${offset}`
  return `local ${locals.join(', ')} = read(${formOf(layout, names)}, ${text}, ${start})`
}

/** Returns a Lua expression for the bytes of adjacent fields. */
export function writeFields<Name extends string>(layout: Layout<Name>, parts: Parts<Name>): string {
  const names = spanOf(layout, parts)
  const values = names.map((name) => {
    const value = parts[name]
    if (value === undefined)
      throw new Error(`The caller gave no value for the field ${name}, which lies between two fields with values.`)
    return value
  })
  return `write(${formOf(layout, names)}, ${values.join(', ')})`
}

/** Returns Lua for the entries of a table that holds every field under its own name. */
export function tableFields<Name extends string>({ names }: Layout<Name>): string {
  return names.map((name) => `${name} = ${name}`).join(', ')
}
