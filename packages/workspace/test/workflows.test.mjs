import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lintWorkflow, workflowFolder } from '../checks/workflows.mjs'
import { readJson, root } from '../runner/repository.mjs'

const { scripts } = readJson(join(root, 'package.json'))
const workflows = readdirSync(workflowFolder).map((name) => ({
  name,
  text: readFileSync(join(workflowFolder, name), 'utf8'),
}))
const release = String(workflows.find(({ name }) => name === 'release.yml')?.text)

/**
 * Returns the text of one job of the release workflow.
 * @param {string} name
 */
const job = (name) => String(release.match(new RegExp(`^ {2}${name}:\\n(?: {4}.*\\n|\\n)+`, 'm'))?.[0])

it('lintWorkflow accepts a workflow without faults, and names the line of a fault', async () => {
  const text = 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    needs: [b]\n    steps:\n      - run: echo\n'
  expect(await lintWorkflow('x.yml', text)).toEqual([expect.stringMatching(/^x\.yml:3:3 .*"b" which does not exist/)])
  expect(await lintWorkflow('x.yml', text.replace('    needs: [b]\n', ''))).toEqual([])
})

it('only the job `stage` can authenticate at the npm registry, and this job runs no code of the repository', () => {
  expect(release.match(/id-token: write/g)).toHaveLength(1)
  expect(job('stage')).toMatch(/^ {4}environment: npm$/m)
  expect(job('stage')).toMatch(/^ {6}id-token: write$/m)
  expect(job('stage')).not.toMatch(/checkout|npm (run|test|install|ci)/)
  expect(release).not.toMatch(/NPM_TOKEN/)
})

it('a version with a hyphen is published under the tag next', () => {
  expect(job('stage')).toContain('case "$VERSION" in *-*) tag=next ;; *) tag=latest ;; esac')
})

describe.each(workflows)('the workflow $name', ({ text }) => {
  it('pins each external action to one commit, and states its version', () => {
    const uses = [...text.matchAll(/\buses: (.+)/g)].map(([, action]) => action)
    expect(uses.length).toBeGreaterThan(0)
    for (const action of uses) expect(action).toMatch(/^(\.\/|[\w-]+(?:\/[\w-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$)/)
  })

  it('has only read permission unless a job requests more', () => {
    expect(text).toMatch(/^permissions:\n {2}contents: read\n\n/m)
  })

  it('runs only commands that this repository defines', () => {
    const commands = [...text.matchAll(/(?:run|version): npm (?:run )?([\w:]+)/g)].map(([, command]) => command)
    for (const command of commands) expect(scripts).toHaveProperty([String(command)])
  })
})
