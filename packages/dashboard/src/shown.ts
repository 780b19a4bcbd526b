import type { JsonValue } from '@jobistemer/core'
import type { Shown } from './wire.ts'

/** The page shows only the beginning of longer values. A separate request returns the whole value. */
const longestShown = 4000

/** Returns a value for the page; `null` for an absent value. */
export function shownOf(value: JsonValue | undefined, isHidden: boolean): Shown | null {
  if (value === undefined) return null
  if (isHidden) return { kind: 'hidden' }
  const text = JSON.stringify(value, null, 2)
  if (text.length <= longestShown) return { kind: 'whole', value }
  return { kind: 'beginning', text: firstCharacters(text, longestShown), length: text.length }
}

/** The beginning of a text, without half of a character at its end. */
export function firstCharacters(text: string, length: number): string {
  const beginning = text.slice(0, length)
  return length < text.length && /[\uD800-\uDBFF]$/.test(beginning) ? beginning.slice(0, -1) : beginning
}
