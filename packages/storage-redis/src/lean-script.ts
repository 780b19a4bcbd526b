import { neededRights } from './scripts/check-rights.ts'

/** A function that stands at the beginning of a line, with its end. */
const functions = /^local function (\w+)\([^\n]*\n[\s\S]*?^end\n/gm

const comments = /^ *--[^\n]*\n/gm

/** Commands that a script gives the server, but for those that it asks nothing for. */
const commands = /\bcall(?:With)?\('([A-Z]+)'/g

/**
 * The script without what it does not need. The server makes each function of it anew with each call, and asks for each
 * right anew: for a call of one item that was more than half of what the call took.
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
