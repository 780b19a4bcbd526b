import { join } from 'node:path'
import { expect, it } from 'vitest'
import { longestEqualRun } from '../figures/equal-lines.mjs'
import { readSources } from '../figures/read-source.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { root } from '../runner/repository.mjs'

const adapters = workspacePackages()
  .map(({ path }) => path)
  .filter((path) => /\/storage-(?!conformance)/.test(path))

it('no two storage adapters have 15 or more successive lines of code in common', () => {
  expect(adapters.length).toBeGreaterThanOrEqual(5)
  const lines = adapters.map((path) => readSources(join(root, path, 'src')).map(({ codeLines }) => codeLines))
  expect(longestEqualRun(lines)).toBeLessThan(15)
})
