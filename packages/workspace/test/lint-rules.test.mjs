import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { root } from '../runner/repository.mjs'
import { capture } from '../runner/run-process.mjs'

const biome = createRequire(join(root, 'package.json')).resolve('@biomejs/biome/bin/biome')

/**
 * Lints files with this repository's settings.
 * @param {Record<string, string>} files path → content
 * @returns {Promise<{ path: string, rule: string }[]>} what the rules found, in the order of Biome's output
 */
async function findingsIn(files) {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-lint-'))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  const settings = join('packages', 'workspace')
  for (const name of ['biome.json', 'lint']) {
    cpSync(join(root, settings, name), join(folder, settings, name), { recursive: true })
  }
  const { exitCode, output } = await capture(
    process.execPath,
    [biome, 'lint', `--config-path=${settings}`, '--reporter=github', '.'],
    {
      cwd: folder,
      env: { ...process.env, NO_COLOR: '1' },
    },
  )
  rmSync(folder, { recursive: true })
  const lines = output.matchAll(/^::error title=(?:lint\/\w+\/)?(\w+),file=([^,]+)/gm)
  const findings = [...lines].map(([, rule = '', path = '']) => ({
    path: path.slice(path.lastIndexOf('packages/')),
    rule,
  }))
  // Biome's exit code is 0 only if Biome has linted at least one file and has found nothing.
  expect(exitCode, output).toBe(findings.length > 0 ? 1 : 0)
  return findings
}

const clockSources = [
  ['setTimeout(task, 5)', 'noRestrictedGlobals'],
  ['setInterval(task, 5)', 'noRestrictedGlobals'],
  ['setImmediate(task)', 'noRestrictedGlobals'],
  ['globalThis.setTimeout(task, 5)', 'noJsRestrictedProperties'],
  ['task(Date.now())', 'noJsRestrictedProperties'],
  ['task(Math.random())', 'noJsRestrictedProperties'],
  ['const { floor, random } = Math; task(floor(random()))', 'noJsRestrictedProperties'],
  ['task(performance.now())', 'noJsRestrictedProperties'],
  ['task(process.hrtime.bigint())', 'noJsRestrictedProperties'],
  ['task(new Date())', 'plugin'],
  ['task(new Date)', 'plugin'],
  ['task(Date())', 'plugin'],
]

/** @param {string} statement */
const moduleWith = (statement) => `declare const task: (...values: unknown[]) => void\n${statement}\nexport {}\n`

/**
 * Files that the lint rules reject: the folder of a package → the package's files. One run of Biome lints all of them,
 * because each run takes 0.2 s of processor time.
 * @type {Record<string, Record<string, string>>}
 */
const rejected = {
  ...Object.fromEntries(
    clockSources.map(([statement = ''], index) => [`clock-${index}`, { 'src/some-file.ts': moduleWith(statement) }]),
  ),
  timers: { 'src/some-file.ts': "import { setTimeout } from 'node:timers/promises'\nawait setTimeout(5)\n" },
  default: { 'src/settings.ts': 'export default { setting: 1 }\n' },
  unused: { 'src/some-file.ts': "import { join } from 'node:path'\nconst unused = 1\nexport {}\n" },
  type: {
    'src/one.ts': "import { Two } from './two.ts'\nexport const one = (two: Two): Two => two\n",
    'src/two.ts': 'export interface Two {\n  readonly two: 2\n}\n',
  },
  skip: {
    'test/some.test.ts': "import { it } from 'vitest'\nit.skip('one', () => {})\nit.only('two', () => {})\n",
  },
}

/** @type {{ path: string, rule: string }[]} */
let findings

beforeAll(async () => {
  const files = Object.entries(rejected).flatMap(([folder, contents]) =>
    Object.entries(contents).map(([path, content]) => [`packages/${folder}/${path}`, content]),
  )
  findings = await findingsIn(Object.fromEntries(files))
})

/** Returns the rules that found something in a folder of `rejected`, each once. @param {string} folder */
const rulesIn = (folder) =>
  [...new Set(findings.filter(({ path }) => path.startsWith(`packages/${folder}/`)).map(({ rule }) => rule))].sort()

describe('the lint rules for time and randomness', () => {
  it.each(clockSources)('reject %s in a package', (statement, rule) => {
    const index = clockSources.findIndex(([other]) => other === statement)
    expect(rulesIn(`clock-${index}`)).toEqual([rule])
  })

  it('reject an import of timers in a package', () => {
    expect(rulesIn('timers')).toEqual(['noRestrictedImports'])
  })

  it('allow every source of time or randomness in the system clock, in tests, benchmarks and examples', async () => {
    const everything = moduleWith(clockSources.map(([statement]) => `{ ${statement} }`).join('\n'))
    const places = [
      'packages/core/src/system-clock.ts',
      'packages/any/test/some.test.ts',
      'packages/benchmarks/src/measure.ts',
      'packages/test-servers/src/wait.ts',
      'examples/any/src/main.ts',
    ]
    expect(await findingsIn(Object.fromEntries(places.map((path) => [path, everything])))).toEqual([])
  })

  it('allow constant dates and arithmetic', async () => {
    const statement = "task(new Date(5), Date.UTC(2026), Date.parse('2026-01-01'), Math.max(1, 2))"
    expect(await findingsIn({ 'packages/any/src/some-file.ts': moduleWith(statement) })).toEqual([])
  })
})

describe('the lint rules for modules', () => {
  it('reject default exports, except in configuration files', async () => {
    expect(rulesIn('default')).toEqual(['noDefaultExport'])
    expect(await findingsIn({ 'packages/any/vitest.config.ts': 'export default { setting: 1 }\n' })).toEqual([])
  })

  it('reject unused imports and variables', () => {
    expect(rulesIn('unused')).toEqual(['noUnusedImports', 'noUnusedVariables'])
  })

  it('reject an import of a type as a value', () => {
    expect(rulesIn('type')).toEqual(['useImportType'])
  })
})

it('the lint rules reject tests with skip or only', () => {
  expect(rulesIn('skip')).toEqual(['noFocusedTests', 'noSkippedTests'])
})
