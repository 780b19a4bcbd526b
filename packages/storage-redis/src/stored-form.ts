// The form of the data: keys, layouts, codes, and the texts in them. A change that the version before could not read, or
// would read wrongly, has to raise the version and add a migration.

/** Brings data from the form before into this one, in steps that are short for the server. */
export interface Migration {
  readonly to: number
  /**
   * The body of a Lua function for one step on one shard: of `call`, `shard` (what all its keys begin with) and
   * `position`, at first ''. It returns where the next step begins, or nothing when the shard is done. Each step runs
   * once, unless it fails in its middle: then it runs again, so it must stand that.
   *
   * It has to stay what it was: it may use no layout and no code of this package that can change.
   */
  readonly step: string
}

export interface StoredForm {
  readonly version: number
  /** One for each version that can still be read, the oldest first. */
  readonly migrations: readonly Migration[]
}

export const storedForm: StoredForm = { version: 1, migrations: [] }

/** The oldest version that can be brought into this form. */
export function oldestVersion({ version, migrations }: StoredForm): number {
  return version - migrations.length
}
