import { neededRights } from './scripts/check-rights.ts'

/** A function that stands at the beginning of a line, with its end. */
const functions = /^local function (\w+)\([^\n]*\n[\s\S]*?^end\n/gm

const comments = /^ *--[^\n]*\n/gm

/** The commands in a script, except those whose rights it does not check. */
const commands = /\bcall(?:With)?\('([A-Z]+)'/g

/**
 * Removes unused functions, comments and rights from a script. The server creates each function and checks each right with each
 * call. For a call of one item that was more than half of its time.
 */
export function leanScript(source: string): string {
  let lean = source.replace(comments, '')
  for (let before = ''; before !== lean; ) {
    before = lean
    lean = before.replace(functions, (text, name: string) => (isNamedElsewhere(before, text, name) ? text : ''))
  }
  return lean.replace(neededRights.place, () =>
    neededRights.of([...lean.matchAll(commands)].map(([, name]) => `${name}`)),
  )
}

function isNamedElsewhere(source: string, text: string, name: string): boolean {
  const count = (where: string) => where.match(new RegExp(`\\b${name}\\b`, 'g'))?.length ?? 0
  return count(source) > count(text)
}
