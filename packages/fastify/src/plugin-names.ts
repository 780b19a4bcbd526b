import { JobistemerError } from '@jobistemer/core'

/** Calls a function that reads options. Adds the names of the plugin's own options to its error about an unknown one. */
export function withPluginNames<T>(names: readonly string[], make: () => T): T {
  try {
    return make()
  } catch (error) {
    // A member, such as defaults.x, is never an option of the plugin.
    if (!JobistemerError.isInstance(error, 'UNKNOWN_OPTION') || error.field?.includes('.')) throw error
    const { field = '', value, remedy } = error
    throw new JobistemerError('UNKNOWN_OPTION', {
      message: `${field} is not an option.`,
      field,
      value,
      remedy: `${remedy} The plugin also has ${names.join(', ')}.`,
      cause: error,
    })
  }
}
