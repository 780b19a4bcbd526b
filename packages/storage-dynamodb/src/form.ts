import type { Table } from './table.ts'

// The form is how data are laid out under one prefix: names of attributes, keys, what lies in which item. An item of the
// prefix says which form its data are in. A new version of this package that changes the form raises `version` and adds a
// migration from the form before.

/**
 * A piece of the work that brings data of one form into the next. It begins where `cursor` says (`null` at first), and
 * answers where the next piece begins, or `null` when all is done. Several nodes may do the same piece at once, and one
 * that is cut off is done again: a piece that was done before must change nothing.
 */
export type Migration = (table: Table, cursor: string | null) => Promise<string | null>

/** A form of the data, and the ways to it. */
export interface Form {
  readonly version: number
  /** By the form that each begins with. */
  readonly migrations: Readonly<Record<number, Migration>>
}

/** The form in which this version of the package writes. */
export const currentForm: Form = { version: 1, migrations: {} }
