import { Buffer } from 'node:buffer'
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { Problem } from './problem.ts'
import type { Settings } from './read-options.ts'

const algorithm = 'aes-256-gcm'
const ivLength = 12
const tagLength = 16
/** Cursors are padded to a multiple of this length in bytes. So their length does not reveal the length of a job's name. */
const blockLength = 128

/**
 * Encrypts cursors, because a storage's cursor contains the name of a job, which the viewer may not be allowed to see. The
 * key comes from the option `secret`, or from the option `token` if `secret` is not set. Without both options, the key is
 * random, and cursors become invalid when the process ends.
 */
export class Cursors {
  readonly #key: Buffer

  constructor({ secret, token }: Pick<Settings, 'secret' | 'token'>) {
    const shared = secret ?? token
    this.#key =
      shared === undefined ? randomBytes(32) : createHash('sha256').update(`jobistemer cursors ${shared}`).digest()
  }

  seal(cursor: string): string {
    const iv = randomBytes(ivLength)
    const cipher = createCipheriv(algorithm, this.#key, iv)
    const text = Buffer.from(`${cursor}\0`)
    const padding = Buffer.alloc(blockLength - (text.length % blockLength))
    return Buffer.concat([
      iv,
      cipher.update(text),
      cipher.update(padding),
      cipher.final(),
      cipher.getAuthTag(),
    ]).toString('base64url')
  }

  /** @throws Problem 400 */
  open(sealed: string): string {
    const bytes = Buffer.from(sealed, 'base64url')
    try {
      const decipher = createDecipheriv(algorithm, this.#key, bytes.subarray(0, ivLength), { authTagLength: tagLength })
      decipher.setAuthTag(bytes.subarray(-tagLength))
      const text = Buffer.concat([decipher.update(bytes.subarray(ivLength, -tagLength)), decipher.final()]).toString()
      return text.slice(0, text.indexOf('\0'))
    } catch {
      throw new Problem(
        400,
        'INVALID_ARGUMENT',
        'cursor is unknown. Another process made it, or this one before its restart. Begin at the first page.',
        'cursor',
      )
    }
  }
}
