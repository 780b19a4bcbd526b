import type { JsonValue } from '@jobistemer/core'
import type { Shown } from './wire.ts'

/** Longer values are shown by their beginning, and sent whole when they are asked for. */
const longestShown = 4000

/** A value for the page; `null` when there is none. */
export function shownOf(value: JsonValue | undefined, isHidden: boolean): Shown | null {
  if (value === undefined) return null
  if (isHidden) return { kind: 'hidden' }
  const text = JSON.stringify(value, null, 2)
  if (text.length <= longestShown) return { kind: 'whole', value }
  return { kind: 'beginning', text: wholeCharacters(text.slice(0, longestShown)), length: text.length }
}

/** Without half of a character at the end. */
function wholeCharacters(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text
}
