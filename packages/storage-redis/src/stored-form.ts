// The form of the stored data: keys, layouts, codes, and the texts in them. A change that the previous version could
// not read, or would read wrongly, must raise the version and add a migration.

/** Migrates data from the previous form to this form, in short script calls. */
export interface Migration {
  readonly to: number
  /**
   * The body of a Lua function for one step on one shard. Its parameters are `call`, `shard` (the shard's key prefix)
   * and `position`, at first ''. The function returns the position of the next step, or nothing at the end of the
   * shard. A step that fails in its middle runs again, so it must tolerate a repetition.
   *
   * A step must never change: it may use no layout and no code of this package that can change.
   */
  readonly step: string
}

export interface StoredForm {
  readonly version: number
  /** One migration for each earlier version that can still be read, the oldest first. */
  readonly migrations: readonly Migration[]
}

export const storedForm: StoredForm = { version: 1, migrations: [] }

/** Returns the oldest version from which data can be migrated to this form. */
export function oldestVersion({ version, migrations }: StoredForm): number {
  return version - migrations.length
}
