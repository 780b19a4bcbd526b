import { JobistemerError } from '@jobistemer/core'

/** Calls what reads options, and says of an unknown one which names the plugin adds to the known ones. */
export function withPluginNames<T>(names: readonly string[], make: () => T): T {
  try {
    return make()
  } catch (error) {
    // A name of a member, such as defaults.x, is none of the plugin's.
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
