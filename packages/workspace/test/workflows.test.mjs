import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readJson, root } from '../runner/repository.mjs'

const folder = join(root, '.github', 'workflows')
const { scripts } = readJson(join(root, 'package.json'))
const workflows = readdirSync(folder).map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }))

it('there is one workflow for tests and one for releases', () => {
  expect(workflows.map(({ name }) => name).sort()).toEqual(['ci.yml', 'release.yml'])
})

describe.each(workflows)('$name', ({ text }) => {
  it('takes each action of others at one commit, and names its version', () => {
    const uses = [...text.matchAll(/\buses: (.+)/g)].map(([, action]) => action)
    expect(uses.length).toBeGreaterThan(0)
    for (const action of uses) expect(action).toMatch(/^(\.\/|[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)/)
  })

  it('may only read unless a job asks for more', () => {
    expect(text).toMatch(/^permissions:\n {2}contents: read\n\n/m)
  })

  it('runs commands of this repository', () => {
    const commands = [...text.matchAll(/\bnpm (?:run )?([\w:]+)/g)].map(([, command]) => command)
    expect(commands.length).toBeGreaterThan(0)
    for (const command of commands) expect(scripts).toHaveProperty([String(command)])
  })
})
