import { gunzipSync, gzipSync } from 'node:zlib'
import type { AttributeValue } from '@aws-sdk/client-dynamodb'

export type Item = Record<string, AttributeValue>

// The functions of this file read and write single attributes of an item. If a value is `null`, the functions leave the
// attribute out, because DynamoDB charges for each stored attribute name.

export function numberOf(item: Item, name: string): number {
  return Number(item[name]?.N)
}

export function optionalNumber(item: Item, name: string): number | null {
  const text = item[name]?.N
  return text === undefined ? null : Number(text)
}

export function textOf(item: Item, name: string): string {
  return item[name]?.S ?? ''
}

export function number(value: number): AttributeValue {
  return { N: String(value) }
}

export function text(value: string): AttributeValue {
  return { S: value }
}

// Minimum length of a JSON text that is compressed. Compression saves little space for a shorter text, and an uncompressed
// text stays readable in the AWS console.
const compressedFrom = 700

/** Stores a value as JSON, compressed if the compressed form is smaller. DynamoDB charges by the kilobyte. */
export function json(value: unknown): AttributeValue {
  // JSON escapes lone surrogates, which DynamoDB cannot store because DynamoDB encodes text as UTF-8.
  const plain = JSON.stringify(value)
  if (plain.length < compressedFrom) return { S: plain }
  const bytes = Buffer.from(plain)
  const compressed = gzipSync(bytes)
  // Not a Buffer, so that a comparison with an item from the table finds equal values.
  return compressed.length < bytes.length ? { B: new Uint8Array(compressed) } : { S: plain }
}

function parseJson<T>(value: AttributeValue): T {
  return JSON.parse(value.B === undefined ? (value.S ?? 'null') : gunzipSync(value.B).toString()) as T
}

export function optionalJson<T>(item: Item, name: string): T | null {
  const value = item[name]
  return value === undefined ? null : parseJson<T>(value)
}

/** Like {@link parseJson}, but returns `undefined` for a damaged value. */
export function storedJson(value: AttributeValue | undefined): unknown {
  try {
    return value === undefined ? undefined : parseJson(value)
  } catch {
    return undefined
  }
}

/** Returns a size in bytes that is never below the size that DynamoDB computes for an item. */
export function sizeOf(item: Item): number {
  let size = 0
  for (const [name, value] of Object.entries(item)) size += Buffer.byteLength(name) + sizeOfValue(value)
  return size
}

function sizeOfValue(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S)
  if (value.N !== undefined) return Math.ceil(value.N.length / 2) + 2
  if (value.B !== undefined) return value.B.length
  return 1
}
