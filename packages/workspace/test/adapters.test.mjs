import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { workspacePackages } from '../runner/packages.mjs'
import { root } from '../runner/repository.mjs'

/** From this number on, equal lines are one thing that belongs into core. */
const tooMany = 15

const adapters = workspacePackages()
  .map(({ path }) => path)
  .filter((path) => /\/storage-(?!conformance)/.test(path))

/**
 * The code lines of a source: without white space at their ends, blank lines, and comments of TypeScript and Lua.
 * @param {string} text
 * @returns {string[]}
 */
function codeLines(text) {
  return text
    .replace(/^ *\/\*[\s\S]*?\*\/$/gm, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(\/\/|--(?!\[\[))/.test(line))
}

/**
 * Every run of `tooMany` lines of a source as one text.
 * @param {readonly string[]} lines
 * @returns {string[]}
 */
function runsOf(lines) {
  return lines.slice(tooMany - 1).map((_, start) => lines.slice(start, start + tooMany).join('\n'))
}

/**
 * The runs that two adapters have, each by its first line and the files that have it.
 * @param {readonly (readonly { file: string, lines: readonly string[] }[])[]} adaptersSources
 * @returns {string[]}
 */
function sharedRuns(adaptersSources) {
  const first = /** @type {Map<string, { adapter: number, file: string }>} */ (new Map())
  return adaptersSources.flatMap((sources, adapter) =>
    sources.flatMap(({ file, lines }) =>
      runsOf(lines).flatMap((run) => {
        const known = first.get(run)
        if (known === undefined) first.set(run, { adapter, file })
        const isShared = known !== undefined && known.adapter !== adapter
        return isShared ? [`${known.file} and ${file}: ${run.split('\n')[0]}`] : []
      }),
    ),
  )
}

/**
 * @param {string} adapter
 * @returns {{ file: string, lines: string[] }[]}
 */
function sourcesOf(adapter) {
  const files = readdirSync(join(root, adapter, 'src'), { recursive: true, encoding: 'utf8' })
  return files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({
      file: join(adapter, 'src', file),
      lines: codeLines(readFileSync(join(root, adapter, 'src', file), 'utf8')),
    }))
}

it('no two adapters share 15 or more equal lines of code', () => {
  expect(adapters.length).toBeGreaterThanOrEqual(5)
  expect(sharedRuns(adapters.map(sourcesOf))).toEqual([])
})

it('a run of equal lines is found whatever comments and blank lines lie in it', () => {
  const lines = Array.from({ length: tooMany }, (_, index) => `line${index}`)
  const commented = `other\n/** why */\n${lines.join('\n// why\n\n  -- why\n')}`
  const source = (/** @type {string} */ file, /** @type {string} */ text) => [{ file, lines: codeLines(text) }]
  const left = source('left', lines.join('\n'))
  expect(sharedRuns([left, source('right', commented)])).toEqual(['left and right: line0'])
  expect(sharedRuns([left, source('right', lines.slice(1).join('\n'))])).toEqual([])
})
