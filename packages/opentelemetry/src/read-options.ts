import { JobistemerError, printValue } from '@jobistemer/core'

/**
 * The accepted options of a function, by name. For each option: the method that its value must have, and the remedy that the
 * error for a wrong value contains.
 */
export type OptionForms = Readonly<Record<string, { readonly method: string; readonly remedy: string }>>

/**
 * Checks options against their accepted forms, and returns them.
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function readOptions<Options extends object>(options: Options, forms: OptionForms): Options {
  const names = Object.keys(forms)
  if (Object.prototype.toString.call(options) !== '[object Object]') {
    throw invalid(options, 'options', 'is not an object', `Give an object with ${names.join(', ')}, or nothing.`)
  }
  for (const [name, value] of Object.entries(options)) {
    const form = Object.hasOwn(forms, name) ? forms[name] : undefined
    if (form === undefined) {
      throw new JobistemerError('UNKNOWN_OPTION', {
        message: `${name} is not an option.`,
        field: name,
        value,
        remedy: `Known are ${names.join(', ')}.`,
      })
    }
    if (value === undefined) continue
    const isObject = typeof value === 'object' && value !== null
    if (!isObject || typeof Reflect.get(value, form.method) !== 'function') {
      throw invalid(value, name, `has no method ${form.method}`, form.remedy)
    }
  }
  return options
}

function invalid(value: unknown, field: string, what: string, remedy: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `${field} ${what}: ${printValue(value)}.`,
    field,
    value,
    remedy,
  })
}
