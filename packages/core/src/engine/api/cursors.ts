import { fingerprintOf } from '../../job/fingerprint.ts'
import { invalidValue } from '../../errors.ts'

/**
 * Converts between a storage's cursors and the cursors that users see. A user's cursor begins with a digest of the list,
 * its filter and the storage's cursor. For all storages, this class therefore rejects a forged or truncated cursor, and a
 * cursor of another list.
 */
export class Cursors {
  /** The name of the list, and the list's filter without `limit` and `cursor`. */
  readonly #list: unknown

  constructor(list: string, filter: object) {
    this.#list = [list, filter]
  }

  /** Returns the cursor that a user sees for a storage's cursor. */
  seal(cursor: string | null): string | null {
    return cursor === null ? null : Buffer.from(`${this.#digestOf(cursor)} ${cursor}`).toString('base64url')
  }

  /** Returns the storage's cursor that a user's cursor contains. @throws JobistemerError `INVALID_ARGUMENT` */
  open(sealed: string | null | undefined, field: string): string | null {
    if (sealed === null || sealed === undefined) return null
    if (typeof sealed === 'string') {
      const text = Buffer.from(sealed, 'base64url').toString()
      const cursor = text.slice(text.indexOf(' ') + 1)
      if (text === `${this.#digestOf(cursor)} ${cursor}`) return cursor
    }
    throw invalidValue(
      field,
      'is not a cursor of this list',
      sealed,
      'Pass on the cursor of the page before, with the same filter.',
    )
  }

  #digestOf(cursor: string): string {
    // Eight characters keep the cursor short, and are enough to detect a forged cursor.
    return fingerprintOf([this.#list, cursor]).slice(0, 8)
  }
}
