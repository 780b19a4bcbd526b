import { describe, expect, it } from 'vitest'
import { checkRights, leanScript, script } from '../src/script.ts'

const functions = `
local function inner(text)
  return text
end

-- This comment names unused and outer, and calls neither of the two functions.
local function outer(text)
  return inner(text)
end

local function unused(text)
  if text then return outer(text) end
  return unused(nil)
end
`

describe('a Lua script that leanScript shortens', () => {
  it('keeps the functions that it calls directly or indirectly', () => {
    const lean = leanScript(`#!lua flags=allow-oom${functions}return outer('a')\n`)
    expect(lean.startsWith('#!lua flags=allow-oom\n')).toBe(true)
    expect(lean.match(/^local function \w+/gm)).toEqual(['local function inner', 'local function outer'])
    expect(lean).not.toContain('--')
  })

  it('omits functions that only unused functions call', () => {
    expect(leanScript(`#!lua${functions}return 1\n`)).not.toContain('function')
  })

  it('checks the rights for exactly the commands that the script uses, each command once', () => {
    const text = `${checkRights}
local function unused()
  call('DEL', KEYS[1])
end

local missing = missingRight(nil)
call('HGET', KEYS[1], 'a')
call('HGET', KEYS[1], 'b')
callWith('ZADD', KEYS[1], {})
call('PUBLISH', 'channel', '')
`
    const checks = leanScript(text).match(/may\(.*?\)/g)
    expect(checks).toEqual(["may('HGET', heads, '0')", "may('ZADD', heads, '0', '0')", "may('PUBLISH', channel, '')"])
  })

  it('is rejected if it uses a command without an entry in the table of required rights', () => {
    expect(() => leanScript(`${checkRights}missingRight(nil)\ncall('ZPOPMIN', KEYS[1])\n`)).toThrow('ZPOPMIN')
  })

  it('creates functions that are not frequent in a group, when it calls one of them', () => {
    const { source } = script(`#!lua\n-- frequent: outer${functions}return outer('a')\n`)
    expect(source.match(/^(?:local )?function \w+(?:\.\w+)?/gm)).toEqual([
      'function made.inner',
      'local function outer',
    ])
    expect(source).toContain('return rare0().inner(text)')
  })
})
