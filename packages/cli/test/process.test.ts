import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient, defineJob, silentLogger } from '@jobistemer/core'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { commandList } from '../src/command-list.ts'
import { useScratch } from './ledger.ts'
import { runCli } from './run-cli.ts'
import { assertDocument } from './schemas.ts'
import { startCli, startShell } from './spawn-cli.ts'

const scratch = useScratch()
const sequence = '\u001b['
/** A program that interrupts each of its commands by a signal, because a test's own process may not receive signals. */
const interruptedProgram = fileURLToPath(new URL('interrupted-commands.mjs', import.meta.url))

describe('the CLI as a process', () => {
  it('prints no colors into a pipe unless FORCE_COLOR is set', async () => {
    const { place } = await scratch.ledger()
    const plain = await startCli(['jobs', '-s', place]).ended
    expect(plain).toMatchObject({ code: 0, err: '' })
    expect(plain.out).not.toContain(sequence)
    const colored = await runCli(['jobs', '-s', place], { env: { FORCE_COLOR: '1' } })
    expect(colored.out).toContain(`${sequence}33mpaused${sequence}39m`)
  })

  it('exits with 0 and no error when the reader of its output closes the pipe', async () => {
    const { place, storage } = await scratch.ledger()
    const client = createClient({ storage: storage(), logger: silentLogger })
    await client.triggerMany(Array.from({ length: 900 }, () => ({ job: 'import' })))
    await client.close()
    // The output exceeds the buffer of a pipe, so the CLI still writes when `head` closes the pipe.
    const { code, out, err } = await startShell(`jobistemer history import -n 1000 -s '${place}' | head -1`).ended
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^SCHEDULED .*\n$/)
  })

  it.runIf(process.platform === 'linux')(
    'reports an error and exits with 74 if it cannot write its output',
    async () => {
      const { place } = await scratch.ledger()
      expect(await startShell(`jobistemer jobs -s '${place}' > /dev/full`).ended).toEqual({
        code: 74,
        out: '',
        err: expect.stringMatching(
          /^error: The output could not be written: .*ENOSPC.* \(OUTPUT_UNWRITTEN\)\n {2}The command has done its work\.\n$/,
        ),
      })
      // The JSON form has the same members as the text, and the test of `ENDED_EARLY` checks a JSON form in `npm test`.
      if (!isThorough) return
      const { code, err } = await startShell(`jobistemer jobs --json -s '${place}' > /dev/full`).ended
      expect(code).toBe(74)
      assertDocument('error', JSON.parse(err))
      expect(JSON.parse(err)).toEqual({
        error: {
          code: 'OUTPUT_UNWRITTEN',
          message: expect.stringMatching(/^The output could not be written: .*ENOSPC/),
          field: null,
          remedy: 'The command has done its work.',
          exitCode: 74,
        },
      })
    },
  )

  it.each([
    ['has a top-level await that never settles', 'await new Promise(() => {})', 'stopped.mjs', 'plan', false],
    ['calls process.exit(0)', 'process.exit(0)', 'stopped.mjs', 'import', true],
    ['calls process.exit(0)', 'process.exit(0)', 'stopped.ts', 'plan', false],
  ] as const)('if a module %s, plan and import report an error and exit with 2', async (...row) => {
    const [, content, file, command, isJson] = row
    const { place, folder } = await scratch.ledger()
    writeFileSync(join(folder, file), content)
    const commands = {
      plan: ['plan', `./${file}`, '--owner', 'team', '-s', place],
      import: ['import', `./${file}`],
    }
    // Both commands load modules with the same function, and both forms print the same error. So `npm test` runs one
    // command in one form for each module.
    for (const name of isThorough ? (['plan', 'import'] as const) : [command]) {
      if (isThorough || !isJson) {
        expect(await startCli(commands[name], {}, folder).ended).toEqual({
          code: 2,
          out: '',
          err: expect.stringMatching(/^error: The process ended before .* \(ENDED_EARLY\)\n {2}Look in the modules/),
        })
      }
      if (!isThorough && !isJson) continue
      const { code, err } = await startCli([...commands[name], '--json'], {}, folder).ended
      assertDocument('error', JSON.parse(err))
      expect({ code, ...JSON.parse(err) }).toMatchObject({ code: 2, error: { code: 'ENDED_EARLY', exitCode: 2 } })
    }
  })

  it('reports an error and exits with 3 if another connection has locked the SQLite file', async () => {
    const { place, folder } = await scratch.ledger()
    const locking = new Database(join(folder, 'jobs.db'))
    locking.exec('BEGIN IMMEDIATE')
    const { code, err } = await runCli(['trigger', 'import', '-s', place, '--timeout', '300ms'], { now: null })
    locking.close()
    expect({ code, err }).toEqual({ code: 3, err: expect.stringMatching(/STORAGE_(TIMEOUT|BUSY)/) })
  })

  it('loads the storage package of the project in its working folder', async () => {
    const { folder, place } = await scratch.ledger()
    // The CLI prefers the user's package to its own package of the same name.
    const own = join(folder, 'node_modules/@jobistemer/storage-sqlite')
    mkdirSync(own, { recursive: true })
    writeFileSync(
      join(own, 'package.json'),
      '{ "name": "@jobistemer/storage-sqlite", "type": "module", "exports": "./index.js" }',
    )
    writeFileSync(
      join(own, 'index.js'),
      'export function sqliteStorage() { throw new Error("the one of the project") }',
    )
    const { err } = await runCli(['jobs', '-s', place], { cwd: folder })
    expect(err).toContain('the one of the project')
  })

  it('commands that change many items of a SQLite file stop at a signal, and print how many items they changed', async () => {
    const { place, storage } = scratch.empty()
    const client = createClient({ storage: storage(), logger: silentLogger })
    const names = Array.from({ length: 30 }, (_, index) => `job-${index}`)
    const tasks = [{ name: 'a', handler: 'nothing' }]
    await client.add(names.map((name) => defineJob({ name, overlapPolicy: 'allow', tasks })))
    await client.triggerMany(names.map(() => ({ job: 'job-0' })))
    await client.close()
    const commands = ['cancel --job job-0', 'pause --match job', 'resume --match job', 'prune --older-than 1d']
    const asked = commands.map((line) => [...line.split(' '), '--yes', '-s', place])
    // `resume` needs paused jobs.
    asked.splice(2, 0, ['pause', ...names, '--json', '-s', place])
    const { err } = await startShell(`'${process.execPath}' '${interruptedProgram}' '${JSON.stringify(asked)}'`).ended
    const ended: readonly { readonly code: number; readonly err: string }[] = JSON.parse(err)
    expect(ended.map(({ code }) => code)).toEqual([130, 130, 0, 130, 130])
    const verbs = ['Canceled', 'Paused', 'Resumed', 'Pruned the history of jobs:']
    for (const [index, { err: said }] of ended.filter(({ code }) => code === 130).entries()) {
      const [, changed] = new RegExp(`Stopped by Ctrl-C: ${verbs[index]} (\\d+) of \\d+\\.`).exec(said) ?? []
      expect(Number(changed), said).toBeLessThan(22)
    }
  })

  it('trigger-many ends its present chunk of requests after a signal, and prints the failed requests and the counts', async () => {
    const { folder } = await scratch.ledger()
    // The storage sends the signal while it stores the first chunk, which has 1000 requests.
    const content = `import { sqliteStorage } from '${import.meta.resolve('@jobistemer/storage-sqlite')}'
const storage = sqliteStorage({ file: ${JSON.stringify(join(folder, 'jobs.db'))}, synchronous: 'normal' })
const create = storage.createOccurrences.bind(storage)
let calls = 0
const interrupt = () => setImmediate(() => process.emit('test-interrupt') || process.kill(process.pid, 'SIGINT'))
const createOccurrences = (asked) => (calls++ === 0 && interrupt(), create(asked))
export default { storage: Object.assign(storage, { createOccurrences }) }`
    writeFileSync(join(folder, 'open.mjs'), content)
    const lines = Array.from({ length: 1001 }, (_, index) => `{"job":"import","key":"${index === 1 ? 0 : index}"}\n`)
    lines[2] = '{"job":"nothing","key":"x"}\n'
    writeFileSync(join(folder, 'requests'), lines.join(''))
    const argv = ['trigger-many', 'requests', '-c', 'open.mjs']
    expect(await startCli(argv, {}, folder).ended).toEqual({
      code: 130,
      out: `line 3, nothing x: There is no job "nothing" here. jobistemer jobs lists the stored jobs. (JOB_NOT_FOUND)
998 created, 1 existed, 0 skipped, 1 failed.
`,
      err: `error: Stopped by Ctrl-C: 998 created, 1 existed, 0 skipped, 1 failed. (INTERRUPTED)
  Repeat the command with the same requests: it creates only the missing runs.
`,
    })
    // A test's own process may not receive signals. So this call is interrupted by an event.
    const interruptible = (interrupt: () => void) => void process.once('test-interrupt' as 'exit', interrupt)
    const { code, out, err } = await runCli([...argv, '--json'], { cwd: folder, now: null, interruptible })
    expect({ code, ...JSON.parse(out), ...JSON.parse(err) }).toMatchObject({
      code: 130,
      created: 0,
      existed: 999,
      failed: [{ line: 3, job: 'nothing', key: 'x', code: 'JOB_NOT_FOUND' }],
      error: { code: 'INTERRUPTED', exitCode: 130 },
    })
  })
})

// These tests use the command `script`, which takes other options on other systems. So they run only on Linux. The CLI's
// code is the same on all systems.
describe.runIf(process.platform === 'linux')('the CLI on a terminal', () => {
  // The test of every command checks the output on a terminal with NO_COLOR.
  it('prints colors, and escapes control sequences in stored names', async () => {
    const { place } = await scratch.ledger()
    const colored = await startShell(`jobistemer jobs -s '${place}'`, { terminal: true }).ended
    expect(colored.out).toContain(`${sequence}33mpaused${sequence}39m`)
    expect(colored.out).toContain('evil\\x1b]0;owned\\x07\\x9b31m')
  })

  it('asks before it cancels several runs, and exits with 130 if the user answers with Ctrl-C', async () => {
    const { place } = await scratch.ledger()
    const line = `jobistemer cancel --job import -s '${place}'; echo "code $?"`
    const asked = startShell(line, { terminal: true })
    await shows(asked, '[y/N] ')
    asked.child.stdin?.write('y\n')
    await shows(asked, 'code ')
    expect((await asked.ended).out).toMatch(/3 canceled\r?\n.*code 0/)
    const { place: other } = await scratch.ledger()
    const stopped = startShell(line.replace(place, other), { terminal: true })
    await shows(stopped, '[y/N] ')
    stopped.child.stdin?.write('\u0003')
    expect((await stopped.ended).out).toContain('INTERRUPTED')
  })
})

// The arguments of each CLI command. Commands that change data come last.
const everyCommand: Readonly<Record<string, string>> = {
  jobs: '',
  job: 'nightly-report',
  next: 'nightly-report -n 2',
  history: 'nightly-report',
  run: 'FAILED',
  failures: '',
  explain: 'nightly-report 2026-01-02T01:00:00Z',
  counts: '',
  nodes: '',
  versions: 'import',
  doctor: '--observe 0',
  conformance: '--depth cases --grep capabilities',
  completion: 'zsh',
  trust: 'none',
  plan: 'jobs.mjs --owner team',
  backfill: 'nightly-report --from 2025-12-01T00:00:00Z --to 2025-12-03T00:00:00Z --dry-run',
  backfills: 'nightly-report',
  trigger: 'nightly-report --key terminal',
  live: '',
  update: 'nightly-report --no-schedule',
  'trigger-many': '/none/requests',
  import: 'crontab /none/tab',
  replay: 'FAILED --key terminal',
  cancel: 'FAILED',
  'cancel-slot': 'import 2100-01-01T00:00:00Z',
  pause: 'import',
  resume: 'import',
  realign: '',
  sql: '',
  apply: 'jobs.mjs --owner team --yes',
  remove: 'import --yes',
  prune: '--older-than 1d --yes',
  // An invalid port ends the command, which would otherwise serve until Ctrl-C.
  ui: '--port none',
}

/** Creates a filled storage with definitions, and lists every CLI command with its required arguments. */
async function everythingAsked() {
  const { folder, storage } = await scratch.ledger()
  writeFileSync(
    join(folder, 'jobs.mjs'),
    `import { defineJob } from '${import.meta.resolve('@jobistemer/core')}'
export default defineJob({ name: 'archive', tasks: [{ name: 'rows', handler: 'import-rows' }] })`,
  )
  const client = createClient({ storage: storage(), logger: silentLogger })
  const { items } = await client.failures()
  await client.close()
  const asked = Object.entries(everyCommand).map(([name, args]) =>
    `${name} ${args.replace('FAILED', String(items[0]?.id))} -s sqlite:jobs.db`.split(/ +/),
  )
  return { folder, asked }
}

/**
 * Replaces ids and numbers in the output of a command, because ids and durations differ between two calls. The CLI prints the
 * milliseconds of an instant only if they are not 0.
 */
const plain = (said: string) =>
  said
    .replaceAll('\r', '')
    .replaceAll(/(?<=:\d\d)\.\d+(?=Z)/g, '')
    .replaceAll(/occ_[\da-f-]+/g, 'occ_0')
    .replaceAll(/\d+/g, '0')
    .replaceAll(/ +/g, ' ')

/** The program that runs every command in one process. A process for each command would take ten times the processor time. */
const everyCommandProgram = fileURLToPath(new URL('every-command.mjs', import.meta.url))

it.runIf(process.platform === 'linux')(
  'every CLI command prints the same text on a terminal with NO_COLOR as into a pipe',
  async () => {
    expect(Object.keys(everyCommand).sort()).toEqual(commandList.map(({ name }) => name).sort())
    const { folder, asked } = await everythingAsked()
    writeFileSync(join(folder, 'asked.json'), JSON.stringify(asked))
    const line = `stty cols 300; cd '${folder}'; '${process.execPath}' '${everyCommandProgram}' "$(cat asked.json)"`
    const { out } = await startShell(line, { terminal: true, env: { NO_COLOR: '1' } }).ended
    const other = await everythingAsked()
    const elsewhere: string[] = []
    for (const argv of other.asked) {
      const said = await runCli(argv, { cwd: other.folder, now: null })
      elsewhere.push(`== ${argv[0]}\n${said.out}${said.err}code ${said.code}\n`)
    }
    expect(out).not.toContain(sequence)
    expect(plain(out)).toEqual(plain(elsewhere.join('')))
  },
  180_000,
)

async function shows(started: ReturnType<typeof startShell>, text: string): Promise<void> {
  if (started.out().includes(text)) return
  await new Promise<void>((resolve, reject) => {
    started.child.stdout?.on('data', () => {
      if (started.out().includes(text)) resolve()
    })
    started.child.on('close', () => reject(new Error(`It ended without ${JSON.stringify(text)}:\n${started.out()}`)))
  })
}
