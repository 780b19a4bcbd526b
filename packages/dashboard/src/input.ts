import { printValue } from '@jobistemer/core'
import { Problem } from './problem.ts'

/** The members of a request's query or body. {@link allow} rejects members that the route does not take. */
export class Input {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  /**
   * Returns the members of a query.
   * @throws Problem 400 for a repeated member
   */
  static ofQuery(parameters: URLSearchParams): Input {
    const values: Record<string, unknown> = Object.create(null)
    for (const [name, value] of parameters) {
      if (name in values) throw new Problem(400, 'INVALID_ARGUMENT', `${name} is given twice.`, name)
      // Ignore empty values: an HTML form also sends the fields that the user left empty.
      if (value !== '') values[name] = value
    }
    return new Input(values)
  }

  /** @throws Problem 400 */
  allow(names: readonly string[]): void {
    const unknown = Object.keys(this.#values).find((name) => !names.includes(name))
    if (unknown === undefined) return
    throw new Problem(400, 'UNKNOWN_OPTION', `${printValue(unknown)} is not a member of this request.`, unknown)
  }

  /** Returns a member without checking its type, because core checks it. Returns `undefined` for an absent member. */
  value(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined
  }

  /** Returns a copy of the input with another value of one member. `undefined` removes the member. */
  with(name: string, value: unknown): Input {
    const { [name]: _, ...others } = this.#values
    return new Input(value === undefined ? others : { ...others, [name]: value })
  }

  has(name: string): boolean {
    return this.value(name) !== undefined
  }

  text(name: string): string | undefined {
    const value = this.value(name)
    if (value === undefined || typeof value === 'string') return value
    throw wrong(name, value, 'is not a text')
  }

  needed(name: string): string {
    const value = this.text(name)
    if (value !== undefined) return value
    throw new Problem(400, 'INVALID_ARGUMENT', `${name} is missing.`, name)
  }

  flag(name: string): boolean | undefined {
    const value = this.value(name)
    if (value === undefined || typeof value === 'boolean') return value
    if (value === 'true' || value === 'false') return value === 'true'
    throw wrong(name, value, 'is neither true nor false')
  }

  count(name: string, { most, otherwise }: { readonly most: number; readonly otherwise: number }): number {
    const value = this.value(name)
    if (value === undefined) return otherwise
    const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
    if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= most) return number
    throw wrong(name, value, `is not a whole number from 1 to ${most}`)
  }

  choice<T extends string>(name: string, known: readonly T[]): T | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const found = known.find((one) => one === value)
    if (found !== undefined) return found
    throw wrong(name, value, `is none of ${known.join(', ')}`)
  }

  /**
   * Returns the values of a member that lists words, separated by commas; `undefined`: the member is absent.
   * @throws Problem 400 for a word that is not in `known`
   */
  choices<T extends string>(name: string, known: readonly T[]): readonly T[] | undefined {
    const values = this.text(name)?.split(',')
    return values?.map((value) => {
      const found = known.find((one) => one === value)
      if (found === undefined) throw wrong(name, value, `is none of ${known.join(', ')}`)
      return found
    })
  }

  /** Returns the texts of a list member; an empty list if the member is absent. */
  texts(name: string): readonly string[] {
    const value = this.value(name) ?? []
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
    throw wrong(name, value, 'is not a list of texts')
  }

  /** Returns the named members that the request contains, as options for core. */
  pick(names: readonly string[]): Record<string, unknown> {
    return Object.fromEntries(names.filter((name) => this.has(name)).map((name) => [name, this.value(name)]))
  }

  object(name: string): Input {
    const value = this.value(name)
    if (value === undefined) return new Input({})
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new Input(value as object as never)
    throw wrong(name, value, 'is not an object')
  }
}

function wrong(field: string, value: unknown, problem: string): Problem {
  return new Problem(400, 'INVALID_ARGUMENT', `${field} ${problem}: ${printValue(value)}.`, field)
}
