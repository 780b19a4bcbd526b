import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { useScratch } from './ledger.ts'
import { runCli, type RunOptions } from './run-cli.ts'

const scratch = useScratch()
const memory = import.meta.resolve('../../storage-memory/dist/index.js')

/**
 * Creates a folder with an adapter module. Returns the folder and a function that runs `jobistemer conformance` on the
 * module.
 */
function adapter(content: string) {
  const folder = scratch.folder()
  writeFileSync(join(folder, 'adapter.mjs'), `import { memoryDatabase, memoryStorage } from '${memory}'\n${content}`)
  const ask = (argv: readonly string[], options: RunOptions = {}) =>
    runCli(['conformance', './adapter.mjs', ...argv], { cwd: folder, ...options })
  return { folder, ask }
}

const intact = `export function open() {
  const database = memoryDatabase()
  return { connect: async () => memoryStorage({ database }), dispose: async () => {} }
}
`

/** A faulty adapter: `settle` accepts results from former owners of a run. */
const broken = `export default {
  open() {
    const database = memoryDatabase()
    const connect = async () => {
      const storage = memoryStorage({ database })
      const settle = storage.settle.bind(storage)
      storage.settle = async (request) => (await settle(request)).map((answer) => ({ ...answer, outcome: 'ok' }))
      return storage
    }
    return { connect, dispose: async () => {} }
  },
  capabilities: { subscribe: true, findsDueJobs: true, takesNext: true },
}
`

it('conformance with a SQLite file keeps its test data in a new folder beside the file, and removes the folder', async () => {
  const { place, folder } = await scratch.ledger()
  const before = readFileSync(join(folder, 'jobs.db'))
  const { code, out, err } = await runCli(['conformance', '-s', place, '--depth', 'cases', '--grep', 'PRUNE: '])
  expect(code).toBe(0)
  expect(out).toMatch(
    /^In the new folder .*jobistemer-conformance-\d+, until the end\.\nsqlite:.*jobs\.db: (\d{2}) cases: \1 passed, 0 failed\.\n$/,
  )
  expect(err).toMatch(/^(Tried \d+ of \d+\n)*$/)
  expect(readdirSync(folder)).toEqual(['jobs.db'])
  expect(readFileSync(join(folder, 'jobs.db')).equals(before)).toBe(true)
})

it('conformance with a SQLite file passes --prefix to the storage as tablePrefix', async () => {
  const { place } = await scratch.ledger()
  const ask = (prefix: string) => runCli(['conformance', '-s', place, '--prefix', prefix, '--grep', 'PRUNE: '])
  expect(await ask('jobs_')).toMatchObject({ code: 0, out: expect.stringContaining(' 0 failed.') })
  expect(await ask('Jobs_')).toMatchObject({ code: 2, err: expect.stringContaining('tablePrefix') })
})

it('conformance --json prints the capabilities of the storage and the result of each case', async () => {
  const { place } = await scratch.ledger()
  const { code, out } = await runCli([
    'conformance',
    '-s',
    place,
    '--grep',
    'random',
    '--scale',
    '0.1',
    '--seed',
    '7',
    '--json',
  ])
  expect({ code, ...JSON.parse(out) }).toMatchObject({
    code: 0,
    capabilities: { multiProcess: true, durability: 'power', serverTime: false },
    passed: 1,
    notRun: 0,
    cases: [
      { name: 'model: random calls are answered as by the memory storage (seed 7)', depth: 'model', error: null },
    ],
  })
})

it('conformance prints the failed cases of a faulty adapter, and exits with 1', async () => {
  const { ask } = adapter(broken)
  const { code, out } = await ask(['--depth', 'cases', '--grep', 'settle: an'])
  expect(code).toBe(1)
  // Omits the lines with the differing values, because their format depends on the version of Node.js.
  const lines = out.split('\n').filter((line) => /^\S| Expected values/.test(line))
  expect(lines.map((line) => line.replace(/\d+ ms/, '0 ms'))).toEqual([
    'failed   settle: an owner whose token was given again after a loss of acknowledged writes is lost and changes nothing  0 ms',
    '         Expected values to be strictly deep-equal:',
    'failed   settle: another token is lost and changes nothing  0 ms',
    '         Expected values to be strictly deep-equal:',
    'failed   settle: an occurrence that does not exist is lost as absent  0 ms',
    '         Expected values to be strictly deep-equal:',
    'failed   settle: an earlier owner is lost once another has claimed, and the new one is not disturbed  0 ms',
    '         Expected values to be strictly deep-equal:',
    './adapter.mjs: 4 cases: 0 passed, 4 failed.',
  ])
})

it('conformance --bail stops at the first failed case, and lists the remaining cases as not run', async () => {
  const { code, out } = await adapter(broken).ask(['--depth', 'cases', '--grep', 'settle: ', '--bail', '--json'])
  const { failed, notRun, cases } = JSON.parse(out)
  expect({ code, failed, last: cases.at(-1).outcome }).toEqual({ code: 1, failed: 1, last: 'failed' })
  expect(notRun).toBeGreaterThan(5)
})

it('conformance skips the cases in the adapter’s list `skip` with their reasons, and fails if a case is unknown', async () => {
  const left = 'connections: closing twice is allowed'
  const list = [
    { test: left, reason: 'not yet (soon)' },
    { test: 'no such case', reason: 'none' },
  ]
  const { ask } = adapter(`${intact}export const skip = ${JSON.stringify(list)}`)
  const { code, out } = await ask(['--grep', 'closing', '--verbose'])
  expect(code).toBe(1)
  expect(out).toContain(`skipped  ${left}  (not yet (soon))\n`)
  expect(out).toContain('failed   the skip "no such case" matches no case')
  expect(out).toMatch(/passed {3}connections: closing one connection leaves the other connections open {2}\d+ ms\n/)
  expect(out).toMatch(/: 3 cases: 1 passed, 1 failed, 1 skipped\.\n$/)
})

it('conformance refuses a database that is not empty, and does not change it', async () => {
  const { ask, folder } = adapter(`import { writeFileSync } from 'node:fs'
import { createClient, defineJob, silentLogger } from '${import.meta.resolve('@jobistemer/core')}'
const database = memoryDatabase()
const client = createClient({ storage: memoryStorage({ database }), logger: silentLogger })
await client.add(defineJob({ name: 'mine', tasks: [{ name: 'a', handler: 'h' }] }))
export function open() {
  return {
    connect: async () => memoryStorage({ database }),
    dispose: async () => writeFileSync(new URL('disposed', import.meta.url), ''),
  }
}`)
  expect(await ask(['--depth', 'cases'])).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining('DATA_NOT_EMPTY'),
  })
  expect(readdirSync(folder)).toEqual(['adapter.mjs'])
})

it('conformance disposes of each test database that the adapter opens, even if no case connects to the database', async () => {
  const { ask, folder } = adapter(`import { rmSync, writeFileSync } from 'node:fs'
let worlds = 0
export function open() {
  const database = memoryDatabase()
  const file = new URL('world-' + ++worlds, import.meta.url)
  writeFileSync(file, '')
  return { connect: async () => memoryStorage({ database }), dispose: async () => rmSync(file) }
}`)
  const { code, out } = await ask(['--depth', 'cases', '--grep', 'texts:'])
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining(' 0 failed') })
  expect(readdirSync(folder)).toEqual(['adapter.mjs'])
})

it('conformance refuses a storage that returns counts as strings, and quotes these counts in the error', async () => {
  const { ask } = adapter(`export function open() {
  const database = memoryDatabase()
  const connect = async () => {
    const storage = memoryStorage({ database })
    const get = storage.get.bind(storage)
    storage.get = async (request) => {
      const answer = await get(request)
      const counts = answer.counts.map(({ pending, queued, running }) => {
        return { pending: String(pending), queued: String(queued), running: String(running) }
      })
      return { ...answer, counts }
    }
    return storage
  }
  return { connect, dispose: async () => {} }
}`)
  expect(await ask(['--depth', 'cases'])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/"pending":"0".*counts are numbers\. \(INVALID_ANSWER, MODULE\)/),
  })
})

it('conformance stops at Ctrl-C after the current case, removes its test data, and exits with 130', async () => {
  const { place, folder } = await scratch.ledger()
  let interrupt = () => {}
  const { code, out, err } = await runCli(['conformance', '-s', place, '--depth', 'cases', '--verbose'], {
    interruptible: (it) => {
      interrupt = it
    },
    onWrite: (text) => text.startsWith('passed') && interrupt(),
  })
  expect(code).toBe(130)
  expect(out).toMatch(/^In the new .*\npassed .*\n.*: \d+ cases: 1 passed, 0 failed, \d+ not run\.\n$/)
  expect(err).toContain('Ending after this case.')
  expect(readdirSync(folder)).toEqual(['jobs.db'])
})

it.each([
  ['', ['--depth', 'deep'], 'USAGE'],
  ['', ['--scale', '0'], '--scale is not a number above 0'],
  [intact, ['--seed', '1,x'], '--seed is not a whole number: "x"'],
  [intact, ['--grep', 'no such thing'], 'CASE_NOT_FOUND'],
  ['export const connect = () => {}', [], 'exports no function open'],
  ['export const open = () => {}\nexport const skip = 1', [], 'exports a skip that is no list'],
  ['export const open = () => {}\nexport const capabilities = 1', [], 'exports capabilities that are no object'],
  ['export const open = () => {}', [], 'open() returned no object with the functions connect and dispose'],
  [`export const capabilities = {}\n export const open = () => ({})`, [], 'open() returned no object'],
  [`${intact}export const capabilities = { multiprocess: true }`, [], 'The kit has no capability "multiprocess".'],
  ['export const open = () => { throw new Error("no room") }', [], './adapter.mjs opens no storage: no room.'],
])('conformance refuses an adapter module with the source %j and the options %j', async (content, argv, problem) => {
  expect(await adapter(content).ask(argv)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(problem) })
})

it('conformance refuses a missing folder, a missing module, and a configuration file that itself opens a storage', async () => {
  const { folder } = await scratch.ledger()
  writeFileSync(
    join(folder, 'jobistemer.config.mjs'),
    `import { writeFileSync } from 'node:fs'
import { memoryStorage } from '${memory}'
const close = async () => writeFileSync(new URL('closed', import.meta.url), '')
export default { storage: () => Object.assign(memoryStorage(), { close }) }`,
  )
  const ask = (...argv: string[]) => runCli(['conformance', '-c', 'jobistemer.config.mjs', ...argv], { cwd: folder })
  expect(await ask()).toMatchObject({
    code: 2,
    err: expect.stringContaining('The configuration opens its storage itself'),
  })
  expect(readdirSync(folder)).toContain('closed')
  expect(await ask('-s', 'sqlite:none/jobs.db')).toMatchObject({
    code: 3,
    err: expect.stringContaining('There is no folder'),
  })
  expect(await ask('none.mjs')).toMatchObject({ code: 2, err: expect.stringContaining('MODULE_MISSING') })
})
