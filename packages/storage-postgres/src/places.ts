import { cursorError } from '@jobistemer/core/storage'

/** A position in a list that is sorted by an instant, then by id. */
export interface ListPlace {
  readonly at: number
  readonly uuid: string
}

export function printPlace(at: number, id: string): string {
  return `${at} ${id}`
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
export function readPlace(cursor: string): ListPlace {
  const match = /^(-?\d{1,16}) (?:job|occ)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(cursor)
  if (match === null) throw cursorError(cursor)
  return { at: Number(match[1]), uuid: match[2] as string }
}
