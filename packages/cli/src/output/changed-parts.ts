import type { ChangedPart } from '@jobistemer/core'
import { text, type Part } from './rendered.ts'
import { settingText } from './settings.ts'

/** Returns the differences between two versions of a job as pairs of a title and a text. */
export function changedPartTexts(
  parts: readonly ChangedPart[],
  indentation: string,
): readonly (readonly [string, Part])[] {
  return parts.map((part) => [`${indentation}${titleOf(part)}`, differenceOf(part)])
}

function titleOf({ part, task }: ChangedPart): string {
  return task === undefined ? settingText(part, null)[0] : `task ${task}`
}

function differenceOf({ part, task, before, after }: ChangedPart): Part {
  if (task !== undefined && after === null) return 'dropped'
  if (task !== undefined && before === null) return text`added ${JSON.stringify(after)}`
  return text`${settingText(part, before)[1]} → ${settingText(part, after)[1]}`
}
