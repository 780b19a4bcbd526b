import { readFile } from 'node:fs/promises'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as protocol from '@jobistemer/core/storage'
import type { AsyncLedger, HistoryRemover, StorageCapabilities, SyncLedger } from '@jobistemer/core/storage'
import * as kit from '@jobistemer/storage-conformance'
import * as memory from '@jobistemer/storage-memory'
import * as vitest from 'vitest'
import { describe, expect, it, vi } from 'vitest'
import { runReadmeExamples } from '../../workspace/readme-examples.ts'
import { isThorough } from '../../workspace/test-effort.ts'
import * as fileStorageModule from './guide/file-storage.js'

const guideFile = new URL('../docs/write-your-own-adapter.md', import.meta.url)
/** The storage of the guide's example, as a module for child processes. */
const fileStorage = new URL('./guide/file-storage.js', import.meta.url)
const guide = await readFile(guideFile, 'utf8')
const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

/**
 * Returns the names of the functions that a text mentions in backticks with an opening parenthesis after the name. Ignores
 * code blocks.
 */
function namedFunctions(text: string): readonly string[] {
  const prose = text.replaceAll(/^```.*?^```$/gms, '')
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span]) => String(span))
  return [...new Set(spans.flatMap((span) => [...span.matchAll(/(?<![.\w])(\w+)\(/g)].map(([, name]) => String(name))))]
}

type Member = keyof SyncLedger | keyof AsyncLedger | keyof HistoryRemover | keyof StorageCapabilities

/**
 * The names of all options that an adapter's author can supply. If this object lacks the name of an option, the compiler
 * reports an error.
 */
const members: Readonly<Record<Member, true>> = {
  kind: true,
  opener: true,
  capabilities: true,
  maxBatch: true,
  worthwhileBatch: true,
  multiProcess: true,
  durability: true,
  serverTimeResolutionMs: true,
  maxQueued: true,
  findsDueJobs: true,
  takesNext: true,
  heartbeatMs: true,
  heartbeat: true,
  keepsObjects: true,
  get: true,
  listJobs: true,
  listOccurrences: true,
  history: true,
  removeHistory: true,
  forget: true,
  serverTime: true,
  subscribe: true,
  notify: true,
  close: true,
  transaction: true,
  read: true,
  job: true,
  createJob: true,
  within: true,
  quickCreate: true,
  quickSettle: true,
  quickCreates: true,
  quickSettles: true,
  hasDue: true,
  due: true,
  nextDueAt: true,
  cancelRequested: true,
  stranded: true,
  unit: true,
  itemsPerStep: true,
  concurrency: true,
  run: true,
}

describe('the guide for adapters', () => {
  it('names only functions that the packages export', () => {
    const known = [...Object.keys(protocol), ...Object.keys(kit)]
    // Names in the guide that no package exports: the method `run`, and functions of SQL.
    const others = ['run', 'ANY', 'json_each', 'IF', 'VALUE']
    const named = [...namedFunctions(guide), ...namedFunctions(readme)].filter((name) => !others.includes(name))
    expect(named).toEqual(expect.arrayContaining(['assertLedger', 'checkHistory', 'storageCases']))
    expect(named.filter((name) => !known.includes(name))).toEqual([])
  })

  it('describes each member that an adapter can implement', () => {
    expect(Object.keys(members).filter((name) => !guide.includes(`\`${name}\``))).toEqual([])
  })

  it('shows the code of the module from which child processes of the conformance kit load the storage', async () => {
    const blocks = [...guide.matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => String(block))
    expect(blocks).toContain(await readFile(fileStorage, 'utf8'))
  })

  it('describes every value of the conformance kit’s option depth', () => {
    const depths = new Set(kit.storageCases({}).map(({ depth }) => depth))
    expect([...depths].filter((depth) => !guide.includes(`| \`${depth}\` |`))).toEqual([])
  })
})

// The guide's example uses the default effort of the kit. `npm test` uses one seed and a tenth of the rounds.
if (!isThorough) {
  vi.stubEnv('JOBISTEMER_CONFORMANCE_SCALE', '0.1')
  vi.stubEnv('JOBISTEMER_CONFORMANCE_SEED', '1')
}
// Running the guide's example registers the cases of the kit in this file.
await runReadmeExamples(
  guideFile,
  {
    '@jobistemer/core/storage': protocol,
    '@jobistemer/storage-conformance': kit,
    '@jobistemer/storage-memory': memory,
    'node:fs': fs,
    'node:os': os,
    './file-storage.js': fileStorageModule,
    vitest: { ...vitest },
  },
  fileStorage,
)
// The test files of a process share its environment.
vi.unstubAllEnvs()
