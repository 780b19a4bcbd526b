import { createHash } from 'node:crypto'

/** A script with the SHA-1 digest under which the server caches it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/**
 * Prepares a script for the server. In each call, the server creates the functions of the script anew. A comment in the script
 * may list the functions that ordinary calls use, after `-- frequent:`. Calls then create the other functions only if they need
 * them, see {@link deferRare}.
 */
export function script(text: string): Script {
  const lean = leanScript(text) + (text.includes(restBegins) ? '\nend)()' : '')
  const frequent = /^-- frequent: (.*)$/m.exec(text)?.[1]
  const source = frequent === undefined ? lean : deferRare(lean, frequent.split(' '))
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** Matches a Lua function that begins at the start of a line, up to its `end`. */
const functions = /^local function (\w+)\([^\n]*\n[\s\S]*?^end\n/gm

const comments = /^ *--[^\n]*\n/gm

/**
 * Matches a script's calls of Redis commands, except `PUBLISH`. Before its first write, the script must check that the user has the right to each
 * of these commands.
 */
const commands = /\bcall(?:With)?\('(?!PUBLISH)([A-Z]+)'/g

/**
 * Removes unused functions, comments and unneeded checks of rights from a script. The server creates each function and checks
 * each right in each call. Without this removal, these functions and checks took more than half of the time of a call with one
 * item.
 */
export function leanScript(source: string): string {
  let lean = source.replace(comments, '')
  for (let before = ''; before !== lean; ) {
    before = lean
    lean = before.replace(functions, (text, name: string) => (isNamedElsewhere(before, text, name) ? text : ''))
  }
  return lean.replace(neededRights, () => checksOf(new Set([...lean.matchAll(commands)].map(([, name]) => `${name}`))))
}

/** The beginning of the function in Lua that contains all of a script after the names of its keys and codes. */
export const restBegins = 'return (function()'

/** Number of rare functions that a script creates together. A larger group would use more variables than Lua permits. */
const rareAtOnce = 12

/**
 * Moves the functions that are not `frequent` into groups, and changes their calls accordingly. A call of the script creates a
 * group only when it needs one of its functions. Without groups, the creation of functions takes most of the time of a call with
 * one item.
 *
 * A group stands in the place of its last function, so that all variables of its functions are in scope.
 */
function deferRare(lean: string, frequent: readonly string[]): string {
  const names = [...lean.matchAll(functions)].map(([, name]) => `${name}`)
  const rare = names.filter((name) => !frequent.includes(name))
  const groupOf = (name: string) => `rare${Math.floor(rare.indexOf(name) / rareAtOnce)}`
  const calls = new RegExp(`\\b(?<!function )(${rare.join('|')})\\(`, 'g')
  let made = ''
  const text = lean.replace(calls, (_, name: string) => `${groupOf(name)}().${name}(`)
  const grouped = text.replace(functions, (whole, name: string) => {
    if (frequent.includes(name)) return whole
    const group = groupOf(name)
    made += whole.replace('local function ', 'function made.')
    if (groupOf(rare[rare.indexOf(name) + 1] ?? '') === group) return ''
    const all = made
    made = ''
    return `${group} = function()\nlocal made = {}\n${all}${group} = function() return made end\nreturn made\nend\n`
  })
  return grouped.replace('\n', `\nlocal ${[...new Set(rare.map(groupOf))].join(', ')}\n`)
}

function isNamedElsewhere(source: string, text: string, name: string): boolean {
  const count = (where: string) => where.match(new RegExp(`\\b${name}\\b`, 'g'))?.length ?? 0
  return count(source) > count(text)
}

/**
 * For each command that writing scripts call: the number of arguments that `acl_check_cmd` needs after the key. A script calls
 * `acl_check_cmd` to check whether the user has the right to the command.
 */
const argumentsOf: Readonly<Record<string, number>> = {
  ...{ DEL: 0, EXISTS: 0, GET: 0, HGETALL: 0, SMEMBERS: 0, ZCARD: 0 },
  ...{ HDEL: 1, HGET: 1, HMGET: 1, SADD: 1, SET: 1, SREM: 1, SSCAN: 1, ZRANK: 1, ZREM: 1, ZSCORE: 1 },
  ...{ HINCRBY: 2, HSET: 2, ZADD: 2, ZCOUNT: 2, ZRANGE: 2, ZRANGEBYLEX: 2, ZRANGEBYSCORE: 2 },
}

/** Stands for the checks of a script's commands in the source of a script. */
const neededRights = '[[ needed ]]'

/** Lua for an error about a missing right. The command is a part of the error's text. */
function denial(command: string): string {
  return `return redis.error_reply("NOPERM the user may not run '${command}', or not on these keys or this channel")`
}

/** Lua that checks the right to each command except `PUBLISH`, which `missingRight` checks separately. */
function checksOf(commands: ReadonlySet<string>): string {
  const checks = [...commands].map((command) => {
    const extra = argumentsOf[command]
    if (extra === undefined) throw new Error(`The table argumentsOf lacks the Redis command ${command}.`)
    return `if not may('${command}', heads${", '0'".repeat(extra)}) then ${denial(command)} end`
  })
  return checks.join('\n  ')
}

/**
 * Lua that checks the user's rights at the beginning of writing scripts, because a later error would not undo earlier writes.
 */
export const checkRights: string = `
-- If the user lacks a right, returns an error, which is then the answer of the script. If the user has all rights, returns nil.
local function missingRight(channel)
  local may = redis.acl_check_cmd
  ${neededRights}
  if channel and not may('PUBLISH', channel, '') then ${denial('PUBLISH')} end
end
`
