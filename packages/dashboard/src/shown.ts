import type { JsonValue } from '@jobistemer/core'
import type { Shown } from './wire.ts'

/** Maximum length in characters of a value on the page. A separate request returns the whole value. */
const longestShown = 4000

/** Returns a value in the form that the page shows, shortened or hidden. Returns `null` for an absent value. */
export function shownOf(value: JsonValue | undefined, isHidden: boolean): Shown | null {
  if (value === undefined) return null
  if (isHidden) return { kind: 'hidden' }
  const text = JSON.stringify(value, null, 2)
  if (text.length <= longestShown) return { kind: 'whole', value }
  return { kind: 'beginning', text: firstCharacters(text, longestShown), length: text.length }
}

/** Returns the first characters of a text. Does not split a surrogate pair at the end. */
export function firstCharacters(text: string, length: number): string {
  const beginning = text.slice(0, length)
  return length < text.length && /[\uD800-\uDBFF]$/.test(beginning) ? beginning.slice(0, -1) : beginning
}
