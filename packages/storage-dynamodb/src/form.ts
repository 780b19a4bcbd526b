import type { Table } from './table.ts'

// The form is the layout of the data under one prefix: the keys, the names of attributes, and which item holds what. One
// item of the prefix names the form of its data. A package version that changes the form raises `version` and adds a
// migration from the previous form.

/**
 * A piece of a migration from one form to the next. The piece starts at `cursor` (`null` at first), and returns the cursor
 * of the next piece, or `null` at the end. Several nodes may run the same piece concurrently, and a node repeats an
 * interrupted piece. So running a piece twice must have the effect of running it once.
 */
export type Migration = (table: Table, cursor: string | null) => Promise<string | null>

/** A form of the stored data, and the migrations that lead to it. */
export interface Form {
  readonly version: number
  /** The migrations, by the form from which each one starts. */
  readonly migrations: Readonly<Record<number, Migration>>
}

/** The form that this version of the package writes. */
export const currentForm: Form = { version: 1, migrations: {} }
