import { join } from 'node:path'
import { longestEqualRun } from './equal-lines.mjs'
import { importCircles } from './import-circles.mjs'
import { readSources } from './read-source.mjs'

/** @import { Source } from './read-source.mjs' */

/**
 * A figure of the sources. Its value must not exceed its target.
 * @typedef {object} Figure
 * @property {string} name
 * @property {number} value
 * @property {number} target
 */

const adapters = ['memory', 'sqlite', 'redis', 'postgres', 'dynamodb']

/** The files with which a reader begins to understand how nodes detect a death and react to it. */
const takeoverRoots = ['cluster/heartbeats.ts', 'maintenance/reaper.ts', 'scheduling/overdue-takeover.ts']
/** The folder of the engine whose files count if the roots import them, directly or indirectly. The roots count too. */
const takeoverFolder = 'cluster'

/**
 * Counts all figures.
 * @param {string} top the folder of the repository
 * @returns {Figure[]}
 */
export function countFigures(top) {
  const coreFolder = join(top, 'packages/core/src')
  const engineFolder = join(coreFolder, 'engine')
  const core = readSources(coreFolder)
  const engine = core.filter(({ file }) => file.startsWith(join(engineFolder, '/')))
  const stored = new Map(adapters.map((name) => [name, readSources(join(top, `packages/storage-${name}/src`))]))
  const takeover = reachedFrom(
    takeoverRoots.map((path) => join(engineFolder, path)),
    engine,
    (file) => file.startsWith(join(engineFolder, takeoverFolder, '/')),
  )
  return [
    { name: 'engine: code lines', value: lines(engine), target: 13_500 },
    { name: 'engine: files', value: engine.length, target: 120 },
    { name: 'core: code lines', value: lines(core), target: 21_000 },
    { name: 'Redis adapter: code lines', value: lines(stored.get('redis') ?? []), target: 5_000 },
    { name: 'five adapters: code lines', value: lines([...stored.values()].flat()), target: 15_500 },
    {
      name: 'successive lines that two adapters share',
      value: longestEqualRun([...stored.values()].map((sources) => sources.map(({ codeLines }) => codeLines))),
      target: 14,
    },
    {
      name: 'core: import circles, types included',
      value: importCircles(new Map(core.map(({ file, imports }) => [file, imports]))).length,
      target: 0,
    },
    {
      name: 'core: top-level numeric constants',
      value: core.flatMap(({ numericConstants }) => numericConstants).length,
      target: 80,
    },
    {
      name: 'core: scheduler options',
      value: core.flatMap(({ membersOf }) => membersOf('SchedulerOptions')).length,
      target: 20,
    },
    { name: 'heartbeats and takeover: files', value: takeover.length, target: 8 },
    { name: 'heartbeats and takeover: code lines', value: lines(takeover), target: 1_100 },
    {
      name: 'core: files that know `priority`',
      value: core.filter(({ knows }) => knows('priority')).length,
      target: 12,
    },
  ]
}

/** @param {readonly Source[]} sources */
function lines(sources) {
  return sources.reduce((sum, { codeLines }) => sum + codeLines.length, 0)
}

/**
 * Returns the roots and all files that they import, directly or indirectly. Follows only imports of files that `counts`
 * accepts.
 * @param {readonly string[]} roots
 * @param {readonly Source[]} sources
 * @param {(file: string) => boolean} counts
 */
function reachedFrom(roots, sources, counts) {
  const byFile = new Map(sources.map((source) => [source.file, source]))
  /** @type {Set<Source>} */
  const reached = new Set()
  const next = [...roots]
  for (let file = next.pop(); file !== undefined; file = next.pop()) {
    const source = byFile.get(file)
    if (source === undefined) throw new Error(`${file} does not exist: correct the list in figures/figures.mjs.`)
    if (reached.has(source)) continue
    reached.add(source)
    next.push(...source.imports.filter(counts))
  }
  return [...reached]
}
