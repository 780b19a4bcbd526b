import { JobistemerError } from '@jobistemer/core'
import { formKey } from './keys.js'

/** @import { ClassicLevel } from 'classic-level' */

/**
 * Converts the stored data from one data format to the next. If the process dies during a migration, the next opening
 * of the database runs the migration again.
 * @typedef {(level: ClassicLevel<string, any>) => Promise<void>} Migration
 */

/** The migrations from data format 1 to the current data format, in order. @type {readonly Migration[]} */
const migrations = []

/**
 * Migrates a database to the current data format.
 * @param {ClassicLevel<string, any>} level
 * @param {readonly Migration[]} steps
 * @throws JobistemerError `STORAGE_SCHEMA_NEWER`
 */
export async function bringToPresentForm(level, steps = migrations) {
  const present = steps.length + 1
  const found = (await level.get(formKey)) ?? present
  if (found > present) {
    throw new JobistemerError('STORAGE_SCHEMA_NEWER', {
      message: `The database has form ${found}, and this version knows ${present}: ${level.location}.`,
      field: 'folder',
      value: level.location,
      remedy: 'Update the storage, or give another folder. Nothing was changed.',
    })
  }
  for (let form = found; form <= present; form++) {
    if (form > found) await steps[form - 2]?.(level)
    await level.put(formKey, form, { sync: true })
  }
}
