import { createHash } from 'node:crypto'

/** A script with the SHA-1 digest under which the server caches it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

export function script(text: string): Script {
  const source = leanScript(text)
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** Matches a Lua function that begins at the start of a line, up to its `end`. */
const functions = /^local function (\w+)\([^\n]*\n[\s\S]*?^end\n/gm

const comments = /^ *--[^\n]*\n/gm

/**
 * Matches a script's calls of Redis commands. Before its first write, the script must check that the user has the right to each
 * of these commands.
 */
const commands = /\bcall(?:With)?\('([A-Z]+)'/g

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
  return lean.replace(neededRights.place, () =>
    neededRights.of([...lean.matchAll(commands)].map(([, name]) => `${name}`)),
  )
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

/**
 * The list of Redis commands for which a script checks the user's right. `place` is the text that stands for this list in the
 * source of a script. `of` returns the list as Lua code. The list omits `PUBLISH`, because `missingRight` checks the right to
 * `PUBLISH` separately.
 */
const neededRights = {
  place: '{ --[[ needed ]] }',
  of(commands: readonly string[]): string {
    const lists = ['', '', '']
    for (const command of new Set(commands)) {
      if (command === 'PUBLISH') continue
      const extra = argumentsOf[command]
      if (extra === undefined) throw new Error(`The table argumentsOf lacks the Redis command ${command}.`)
      lists[extra] += `'${command}', `
    }
    return `{ ${lists.map((list) => `{ ${list}}`).join(', ')} }`
  },
}

/**
 * Lua that checks the user's rights at the beginning of writing scripts, because a later error would not undo earlier writes.
 */
export const checkRights: string = `
-- The commands of this script, grouped by the number of their arguments after the key.
local needed = ${neededRights.place}

local function denial(command)
  return redis.error_reply("NOPERM the user may not run '" .. command .. "', or not on these keys or this channel")
end

-- If the user lacks a right, returns an error, which is then the answer of the script. If the user has all rights, returns nil.
local function missingRight(channel)
  local may = redis.acl_check_cmd
  local others = { '0', '0' }
  for count, commands in ipairs(needed) do
    for _, command in ipairs(commands) do
      if not may(command, heads, unpack(others, 1, count - 1)) then return denial(command) end
    end
  end
  if channel and not may('PUBLISH', channel, '') then return denial('PUBLISH') end
end
`
