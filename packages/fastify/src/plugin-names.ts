import { JobistemerError } from '@jobistemer/core'

/**
 * Calls `make`, which reads options. If `make` throws an error about an unknown option, adds the names of the plugin's
 * own options to the error.
 */
export function withPluginNames<T>(names: readonly string[], make: () => T): T {
  try {
    return make()
  } catch (error) {
    // A nested member such as `defaults.x` is never an option of the plugin.
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
