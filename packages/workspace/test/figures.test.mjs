import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { longestEqualRun } from '../figures/equal-lines.mjs'
import { countFigures } from '../figures/figures.mjs'
import { importCircles } from '../figures/import-circles.mjs'
import { readSources } from '../figures/read-source.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { root } from '../runner/repository.mjs'

/** Writes files into a temporary folder. @param {Record<string, string>} files path → content @returns {string} the folder */
function folderOf(files) {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-figures-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return folder
}

describe('the description of a source file that readSources returns', () => {
  it('contains the code lines, without blank lines and comments', () => {
    const content = [
      '/** A comment. */',
      'const one = 1 // beside code',
      '',
      '/*',
      'const two = 2',
      '*/',
      'export const script = `',
      '-- a comment of Lua or SQL',
      '',
      "return '// no comment'`",
      'export { one }',
    ]
    const [source] = readSources(folderOf({ 'one.ts': content.join('\n') }))
    expect(source?.codeLines).toEqual([
      'const one = 1 // beside code',
      'export const script = `',
      "return '// no comment'`",
      'export { one }',
    ])
  })

  it('contains the paths of the imported files, including imports of types and re-exports', () => {
    const content =
      "import { a } from './a.ts'\nimport type { B } from '../b.ts'\nexport * from './c/c.ts'\nimport 'd'\n"
    const folder = folderOf({ 'sub/one.ts': content })
    const paths = ['sub/a.ts', 'b.ts', 'sub/c/c.ts']
    expect(readSources(folder)[0]?.imports).toEqual(paths.map((path) => join(folder, path)))
  })

  it('contains the names of the top-level constants whose value is a number', () => {
    const content = [
      'const limit = 10_000',
      'export const longer: number = 2 * limit, negative = -1',
      'const same = limit',
      "const text = '10', list = [10], call = Math.max(1, 2)",
      'let changing = 1',
      'function inner() { const local = 1; return local }',
    ]
    const names = ['limit', 'longer', 'negative', 'same']
    expect(readSources(folderOf({ 'one.ts': content.join('\n') }))[0]?.numericConstants).toEqual(names)
  })

  it('has `membersOf`, which lists an interface’s members, and `knows`, which finds a word in code but not in comments', () => {
    const [source] = readSources(
      folderOf({
        'one.ts': 'interface Options {\n  /** A priority. */\n  readonly limit: number\n  stop(): void\n}\n',
      }),
    )
    expect(source?.membersOf('Options')).toEqual(['limit', 'stop'])
    expect(source?.membersOf('Other')).toEqual([])
    expect(source?.knows('limit')).toBe(true)
    expect(source?.knows('priority')).toBe(false)
  })
})

it('the project’s figures count files that import one another as one import cycle, and no file is in two cycles', () => {
  const imports = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', ['a']],
    ['d', ['e']],
    ['e', ['d', 'f']],
    ['f', []],
  ])
  expect(importCircles(imports)).toEqual([
    ['d', 'e'],
    ['a', 'b', 'c'],
  ])
})

it('longestEqualRun compares lines of different groups, not lines within one group', () => {
  const shared = ['one', 'two', 'three']
  expect(longestEqualRun([[[...shared, 'four', ...shared, 'four']], [['zero', ...shared, 'five']]])).toBe(3)
  expect(longestEqualRun([[['one']], [['two']]])).toBe(0)
})

it('countFigures returns twelve figures about this repository', () => {
  const figures = countFigures(root)
  expect(figures).toHaveLength(12)
  expect(figures.filter(({ name, value }) => value === 0 && !name.includes('circles'))).toEqual([])
})

it('no two storage adapters have 15 or more successive lines of code in common', () => {
  const adapters = workspacePackages()
    .map(({ path }) => path)
    .filter((path) => /\/storage-(?!conformance)/.test(path))
  expect(adapters.length).toBeGreaterThanOrEqual(5)
  const lines = adapters.map((path) => readSources(join(root, path, 'src')).map(({ codeLines }) => codeLines))
  expect(longestEqualRun(lines)).toBeLessThan(15)
})

describe('the lists of files that a new feature touches, in engine.md', () => {
  /** The folder of `packages` to which the names after a label belong. Other labels belong to core. @type {Record<string, string>} */
  const folders = {
    CLI: 'cli',
    DynamoDB: 'storage-dynamodb',
    kit: 'storage-conformance',
    memory: 'storage-memory',
    PostgreSQL: 'storage-postgres',
    Redis: 'storage-redis',
    SQLite: 'storage-sqlite',
  }
  const page = readFileSync(join(root, 'packages/core/docs/engine.md'), 'utf8')
  const rows = [...page.matchAll(/^\| ([^|]+) \| ([^|]+) \| \*\*(\d+) of \d+\*\* \|$/gm)]

  it('has a list for each of the six features', () => {
    expect(rows).toHaveLength(6)
  })

  it.each(rows.map(([, feature, files, count]) => ({ feature, files: files ?? '', count: Number(count) })))(
    'the files for $feature exist, and their number is $count',
    ({ files, count }) => {
      const names = files.split(' · ').flatMap((group) => {
        const [, label = '', list = group] = /^([^:]+): (.+)$/.exec(group) ?? []
        const folder = join(root, 'packages', folders[label] ?? 'core', 'src', /`(.+)`/.exec(label)?.[1] ?? '')
        return list.split(', ').map((item) => {
          const [, name = '', isNew] = /^`([^`]+)`( \(new\))?$/.exec(item) ?? []
          return { path: join(folder, `${name}.ts`), isNew: isNew !== undefined }
        })
      })
      expect(names.filter(({ path, isNew }) => existsSync(path) === isNew)).toEqual([])
      expect(names).toHaveLength(count)
    },
  )
})
