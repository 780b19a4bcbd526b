import { codec1 } from '@jobistemer/core/storage'
import type { JobId, OccurrenceId } from '@jobistemer/core'

const { writeId } = codec1

/** Initial size for each item, in bytes. Node.js allocates a buffer of less than 4 KiB from a pool, which takes less time. */
const itemSize = 256

/**
 * Writes the arguments of a script into one little-endian buffer, which the script parses with `struct`. One long
 * argument costs the client and the server much less than many short ones.
 */
export class ByteWriter {
  #bytes: Buffer
  #length = 0
  /**
   * The last id that was written, and its offset. If the next id is equal, which is frequent, the writer copies the bytes at
   * this offset.
   */
  #lastId: JobId | OccurrenceId | null = null
  #lastIdAt = 0

  constructor(items: number = 1) {
    this.#bytes = Buffer.allocUnsafe(items * itemSize)
  }

  get length(): number {
    return this.#length
  }

  /** Reserves `size` bytes, which the caller sets field by field. Returns their offset. */
  skip(size: number): number {
    this.#reserve(size)
    const start = this.#length
    this.#length += size
    return start
  }

  /** Writes an instant or a count, as a double: exact up to 2^53. */
  number(value: number): void {
    this.#reserve(8)
    this.#length = this.#bytes.writeDoubleLE(value, this.#length)
  }

  id(id: JobId | OccurrenceId): void {
    this.#reserve(16)
    writeId(this.#bytes, this.#length, id)
    this.#length += 16
  }

  /** Writes bytes, without their number. Returns the number. */
  bytes(bytes: Buffer): number {
    this.#reserve(bytes.length)
    this.#length += bytes.copy(this.#bytes, this.#length)
    return bytes.length
  }

  /** Writes a text as UTF-8, without its size. Returns the size in bytes. */
  text(text: string): number {
    if (text === '') return 0
    // A UTF-16 code unit of a JavaScript string takes at most three bytes in UTF-8.
    this.#reserve(text.length * 3)
    const size = this.#bytes.write(text, this.#length, 'utf8')
    this.#length += size
    return size
  }

  setByte(offset: number, value: number): void {
    this.#bytes[offset] = value
  }

  setUint16(offset: number, value: number): void {
    this.#bytes.writeUInt16LE(value, offset)
  }

  setUint32(offset: number, value: number): void {
    this.#bytes.writeUInt32LE(value, offset)
  }

  setNumber(offset: number, value: number): void {
    this.#bytes.writeDoubleLE(value, offset)
  }

  setId(offset: number, id: JobId | OccurrenceId): void {
    if (id === this.#lastId) this.#bytes.copyWithin(offset, this.#lastIdAt, this.#lastIdAt + 16)
    else writeId(this.#bytes, offset, id)
    this.#lastId = id
    this.#lastIdAt = offset
  }

  /** Returns the written bytes. The writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + size))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}
