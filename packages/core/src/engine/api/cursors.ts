import { JobistemerError, printValue } from '../../errors.ts'
import { fingerprintOf } from '../../job/fingerprint.ts'
import { cursorDigestLength } from './tuning.ts'

/**
 * The cursors that users see. Each carries a digest of the list and the filter that it belongs to, so that what is
 * forged, cut off or taken from another list is refused here, once for all storages, and never leads astray.
 */
export class Cursors {
  /** Names the list and its filter, all but `limit` and `cursor`. */
  readonly #list: unknown

  constructor(list: string, filter: object) {
    this.#list = [list, filter]
  }

  /** The user's form of a storage's cursor. */
  seal(cursor: string | null): string | null {
    return cursor === null ? null : Buffer.from(this.#digestOf(cursor) + cursor).toString('base64url')
  }

  /** The storage's cursor. @throws JobistemerError `INVALID_ARGUMENT` */
  open(sealed: string | null | undefined, field: string): string | null {
    if (sealed === null || sealed === undefined) return null
    if (typeof sealed === 'string') {
      const text = Buffer.from(sealed, 'base64url').toString()
      const cursor = text.slice(cursorDigestLength)
      if (text.slice(0, cursorDigestLength) === this.#digestOf(cursor)) return cursor
    }
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `${field} is not a cursor of this list: ${printValue(sealed)}.`,
      field,
      value: sealed,
      remedy: 'Pass on the cursor of the page before, with the same filter.',
    })
  }

  #digestOf(cursor: string): string {
    return fingerprintOf([this.#list, cursor]).slice(0, cursorDigestLength)
  }
}
