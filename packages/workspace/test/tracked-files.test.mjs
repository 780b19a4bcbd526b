import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { importCircles } from '../figures/import-circles.mjs'
import { root } from '../runner/repository.mjs'
import { capture } from '../runner/run-process.mjs'

/** The names are joined from parts, so that this file does not contain the host names that it forbids. */
const registryHosts = [
  ['registry', 'npmjs', 'org'],
  ['npm', 'pkg', 'github', 'com'],
  ['registry', 'yarnpkg', 'com'],
  ['registry', 'npmmirror', 'com'],
].map((parts) => parts.join('.'))

/**
 * Matches absolute paths below folders of a machine. The pattern also checks the character before the path, because
 * `packages/tmp/` is not absolute.
 */
const machinePath = new RegExp(`(?<![\\w.@~*)}\\]>-])/(${['work', 'tmp', 'root', 'home', 'Users'].join('|')})/\\w`)

/** Reads the text files that git tracks. @returns {Promise<{ path: string, text: string }[]>} */
async function trackedFiles() {
  const { exitCode, output } = await capture('git', ['ls-files', '-z'])
  expect(exitCode).toBe(0)
  return output
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(root, path)) && lstatSync(join(root, path)).isFile())
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
    .filter(({ text }) => !text.includes('\0'))
}

/** @param {RegExp} pattern */
async function linesWith(pattern) {
  return (await trackedFiles()).flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  )
}

it('no tracked file contains the host name of a package registry', async () => {
  const anyHost = new RegExp(registryHosts.map((host) => host.replaceAll('.', '\\.')).join('|'))
  expect(await linesWith(anyHost)).toEqual([])
})

it('no tracked file contains an absolute path of a developer’s machine', async () => {
  expect(await linesWith(machinePath)).toEqual([])
})

it.each([
  [['', 'work', 'main'], true],
  [['file://', 'home', 'somebody'], true],
  [["'", 'tmp', 'x'], true],
  [['packages', 'tmp', 'x'], false],
  [['..', 'work', 'main'], false],
  [['{folder}', 'home', 'x'], false],
])('the pattern for absolute paths, applied to a path made of the parts %j, matches: %s', (parts, expected) => {
  expect(machinePath.test(parts.join('/'))).toBe(expected)
})

it('the lockfile contains no download address', () => {
  const lines = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8').split('\n')
  // The line `deprecated:` is an author's notice. It may contain a URL, but no program downloads from this URL. So the
  // test ignores such lines.
  expect(lines.filter((line) => /:\/\/|\btarball:/.test(line) && !/^\s+deprecated:/.test(line))).toEqual([])
})

// Biome's rule `noImportCycles` takes six seconds of processor time for the same.
it('no source files import each other in a circle, imports of types aside', async () => {
  const files = (await trackedFiles()).filter(({ path }) => /\.(ts|tsx|js|mjs)$/.test(path))
  const imports = new Map(files.map(({ path, text }) => [join(root, path), importsOf(join(root, path), text)]))
  expect([...imports.values()].flat().length).toBeGreaterThan(files.length)
  expect(importCircles(imports)).toEqual([])
})

it.each([
  ["import { one } from './one.ts'", ['/src/one.ts']],
  ["import {\n  one,\n  type Two,\n} from '../one.ts'", ['/one.ts']],
  ["import './one.ts'", ['/src/one.ts']],
  ["export * from './one.ts'", ['/src/one.ts']],
  ["const { one } = await import('./one.ts')", ['/src/one.ts']],
  ["import type { One } from './one.ts'", []],
  ["import { one } from 'one'", []],
])('the files that the statement %j imports are found', (text, found) => {
  expect(importsOf('/src/file.ts', text)).toEqual(found)
})

/**
 * Returns the absolute paths of the files that a source file imports or re-exports. Ignores imports of types.
 * @param {string} file
 * @param {string} text
 */
function importsOf(file, text) {
  const statement = /(?:^(?:import|export)\b(?! type\b)[^'"`;]*|\bimport\()['"](\.[^'"]+)['"]/gm
  return [...text.matchAll(statement)].map(([, path]) => resolve(dirname(file), String(path)))
}
