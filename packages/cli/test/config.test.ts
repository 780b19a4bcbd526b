import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { fillLedger, useScratch } from './ledger.ts'
import { runCli } from './run-cli.ts'

const scratch = useScratch()
const jobsOf = (text: string) => JSON.parse(text).jobs.map(({ name }: { name: string }) => name)
const sqlite = import.meta.resolve('@jobistemer/storage-sqlite')

/** Returns environment variables of a user who has trusted a folder with `jobistemer trust`. */
async function trusting(folder: string): Promise<Readonly<Record<string, string>>> {
  const env = { XDG_CONFIG_HOME: scratch.folder() }
  expect(await runCli(['trust'], { cwd: folder, env })).toMatchObject({ code: 0, out: `${folder} is trusted.\n` })
  return env
}

describe('the configuration file of the CLI', () => {
  it.each([
    ['json', '{ "storage": "sqlite:jobs.db" }'],
    ['mjs', 'export default { storage: () => "sqlite:jobs.db" }'],
    [
      'js',
      `import { sqliteStorage } from '${sqlite}'
export default { storage: sqliteStorage({ file: import.meta.dirname + '/jobs.db' }) }`,
    ],
    [
      'ts',
      `import { sqliteStorage } from '${sqlite}'
const file: string = new URL('jobs.db', import.meta.url).pathname
export default { storage: async () => sqliteStorage({ file }) } satisfies object`,
    ],
    ['mts', 'const place: string = "sqlite:./jobs.db"\nexport default { storage: place, timezone: "Europe/Berlin" }'],
  ])('may have the file name jobistemer.config.%s, and names the storage', async (ending, content) => {
    const { folder } = await scratch.ledger()
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(folder, `jobistemer.config.${ending}`), content)
    const argv = ['jobs', '--json', '--owner', 'imports']
    expect(jobsOf((await runCli(argv, { cwd: folder, env: await trusting(folder) })).out)).toEqual(['import'])
  })

  it('may be named by the option --config, and relative paths in the file start from the folder of the file', async () => {
    const { folder } = await scratch.ledger()
    mkdirSync(join(folder, 'elsewhere'))
    writeFileSync(join(folder, 'other.json'), '{ "storage": "sqlite:jobs.db" }')
    const { code } = await runCli(['jobs', '--config', '../other.json'], { cwd: join(folder, 'elsewhere') })
    expect(code).toBe(0)
    const missing = await runCli(['jobs', '--config', 'none.json'], { cwd: folder })
    expect(missing).toMatchObject({ code: 2, err: expect.stringContaining('CONFIG_MISSING') })
  })

  it('determines the storage only if neither --storage nor the variable JOBISTEMER_STORAGE names a storage', async () => {
    const { folder, place } = await scratch.ledger()
    writeFileSync(join(folder, 'jobistemer.config.json'), '{ "storage": "sqlite:configured.db" }')
    const trusted = await trusting(folder)
    const ask = (argv: string[], env = {}) => runCli(['jobs', ...argv], { cwd: folder, env: { ...trusted, ...env } })
    expect((await ask([])).err).toContain('configured.db')
    expect((await ask([], { JOBISTEMER_STORAGE: 'sqlite:env.db' })).err).toContain('env.db')
    expect(await ask(['-s', place], { JOBISTEMER_STORAGE: 'sqlite:env.db' })).toMatchObject({ code: 0 })
  })

  it('is not read with the option --no-config; without this option, an error in the file is reported with its line number', async () => {
    const { folder, place } = await scratch.ledger()
    const file = join(folder, 'jobistemer.config.ts')
    writeFileSync(
      file,
      'interface Unused { readonly a: number }\n\nconst port: number = JSON.parse("{")\nexport default { port }\n',
    )
    const env = await trusting(folder)
    const { code, err } = await runCli(['jobs'], { cwd: folder, env })
    expect({ code, err: err.replaceAll(folder, '…') }).toMatchInlineSnapshot(`
      {
        "code": 2,
        "err": "error: …/jobistemer.config.ts cannot be loaded: SyntaxError: Expected property name or '}' in JSON at position 1 (at line 3, column 19). (MODULE_FAILED, --config)
        Mend the file; --debug shows the whole stack.
      ",
      }
    `)
    expect(err).not.toContain('    at ')
    expect((await runCli(['jobs', '--debug'], { cwd: folder, env })).err).toContain('    at ')
    expect(await runCli(['jobs', '--no-config', '-s', place], { cwd: folder })).toMatchObject({ code: 0 })
  })

  it.each([
    ['[]', 'has no object as its default export'],
    ['{ "store": 1 }', 'has an unknown member "store"'],
    ['{ "prefix": 1 }', 'has a member prefix that is no text'],
    ['{ "storage": 1 }', 'has a member storage that is none'],
    ['{ "timezone": "Mars/Base" }', 'There is no time zone "Mars/Base"'],
  ])('is refused if it has an invalid content: %s', async (content, problem) => {
    const { folder, place } = scratch.empty()
    writeFileSync(join(folder, 'jobistemer.config.json'), content)
    const { code, err } = await runCli(['jobs', '-s', place, '-c', 'jobistemer.config.json'], {
      cwd: folder,
      isLocal: true,
    })
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(problem) })
  })

  it('may register schedule types, so that commands can describe schedules of these types', async () => {
    const { folder } = await scratch.ledger()
    writeFileSync(
      join(folder, 'jobistemer.config.mjs'),
      `export default { storage: 'sqlite:jobs.db', scheduleTypes: [{
  name: 'cron', revive: () => ({ type: 'cron', describe: () => 'when the moon is full' }) }] }`,
    )
    expect((await runCli(['jobs', 'import'], { cwd: folder, env: await trusting(folder) })).out).toContain(
      'when the moon is full',
    )
  })
})

it('a command prints its error and ends even if the storage never closes', async () => {
  const { folder } = await scratch.ledger()
  const content = `import { sqliteStorage } from '${sqlite}'
const storage = sqliteStorage({ file: import.meta.dirname + '/jobs.db' })
export default { storage: Object.assign(storage, { close: () => new Promise(() => {}) }) }`
  writeFileSync(join(folder, 'open.mjs'), content)
  expect(await runCli(['job', 'none', '-c', 'open.mjs'], { cwd: folder })).toMatchObject({
    code: 4,
    err: expect.stringContaining('JOB_NOT_FOUND'),
  })
})

describe('the configuration file of a folder that the user has not trusted', () => {
  /** Returns a folder whose configuration creates a file when the program loads it. */
  async function hostile() {
    const { folder, place } = await scratch.ledger()
    const mark = join(folder, 'loaded')
    const content = `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(mark)}, '')\nexport default { storage: 'sqlite:jobs.db' }`
    writeFileSync(join(folder, 'jobistemer.config.mjs'), content)
    return { folder, place, isLoaded: () => existsSync(mark), env: { XDG_CONFIG_HOME: scratch.folder() } }
  }

  it('is not loaded, and the error names the command that trusts the folder', async () => {
    const { folder, place, isLoaded, env } = await hostile()
    for (const argv of [['jobs'], ['jobs', '-s', place], ['doctor'], ['apply', 'jobs.mjs']]) {
      const { code, err } = await runCli(argv, { cwd: folder, env })
      expect([code, err]).toEqual([2, expect.stringContaining('CONFIG_UNTRUSTED')])
      expect(err).toContain('jobistemer trust')
    }
    expect(isLoaded()).toBe(false)
  })

  it('is not loaded by shell completion', async () => {
    const { folder, isLoaded, env } = await hostile()
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, out } = await runCli(['completion', shell], { cwd: folder, env })
      expect(code).toBe(0)
      const asked = /jobistemer (jobs --names.*?) 2>/.exec(out)?.[1]?.trim().split(' ') as string[]
      expect(asked).toContain('--no-config')
      expect((await runCli(asked, { cwd: folder, env })).err).toContain('STORAGE_NOT_GIVEN')
      const named = await runCli(asked, { cwd: folder, env: { ...env, JOBISTEMER_STORAGE: 'sqlite:jobs.db' } })
      expect(named.out).toContain('import\n')
    }
    expect(isLoaded()).toBe(false)
  })

  it('is loaded if --config names it, and the folder stays untrusted', async () => {
    const { folder, isLoaded, env } = await hostile()
    expect((await runCli(['jobs', '-c', 'jobistemer.config.mjs'], { cwd: folder, env })).code).toBe(0)
    expect(isLoaded()).toBe(true)
    expect((await runCli(['jobs'], { cwd: folder, env })).err).toContain('CONFIG_UNTRUSTED')
  })

  it('is loaded after `trust`, even through a symbolic link to the folder, and is not loaded after `trust --undo`', async () => {
    const { folder, env } = await hostile()
    const other = scratch.folder()
    const ask = (argv: string[], cwd = folder) => runCli(argv, { cwd, env })
    expect(JSON.parse((await ask(['trust', folder, '--json'], other)).out)).toEqual({ folder, trusted: true })
    await ask(['trust', other])
    await ask(['trust'])
    symlinkSync(folder, join(other, 'link'))
    expect((await ask(['jobs'])).code).toBe(0)
    expect((await ask(['jobs'], join(other, 'link'))).code).toBe(0)
    expect((await ask(['trust', '--undo'])).out).toBe(`${folder} is no longer trusted.\n`)
    expect((await ask(['jobs'])).err).toContain('CONFIG_UNTRUSTED')
    expect((await ask(['trust', 'none'])).code).toBe(2)
    expect(readFileSync(join(env.XDG_CONFIG_HOME, 'jobistemer', 'trusted-folders'), 'utf8')).toBe(`${other}\n`)
  })

  it('is not loaded if the list of trusted folders cannot be read, and `trust` reports that it cannot change the list', async () => {
    const { folder, isLoaded } = await hostile()
    const env = { XDG_CONFIG_HOME: join(folder, 'jobistemer.config.mjs') }
    for (const [argv, error] of [
      [['jobs'], 'CONFIG_UNTRUSTED'],
      [['trust'], 'The list of trusted folders cannot be changed: ENOTDIR'],
      [['trust', '--undo'], 'The list of trusted folders cannot be changed: ENOTDIR'],
    ] as const) {
      const { code, err } = await runCli(argv, { cwd: folder, env })
      expect([code, err]).toEqual([2, expect.stringContaining(error)])
    }
    expect(isLoaded()).toBe(false)
  })
})

describe('a --storage option', () => {
  it.each([
    [[], 'STORAGE_NOT_GIVEN'],
    [['-s', 'jobs.db'], 'INVALID_STORAGE'],
    [['-s', 'sqlite:'], 'INVALID_STORAGE'],
    [['-s', 'http://user:secret@host'], 'http://***@host'],
    [['-s', 'pglite:jobs'], 'A PGlite lives inside one process'],
    [['-s', 'memory:'], 'STORAGE_UNSUPPORTED'],
    [['-s', 'dynamodb:'], 'names no table'],
    [['-s', 'dynamodb:jobs?regoin=a'], 'unknown setting "regoin"'],
    [['-s', ' '], '--storage is empty'],
    [['-s', ' mysql2://joe:secret@host/db'], 'mysql2://***@host/db'],
    [['-s', 'DATABASE_URL=postgres://joe:secret@host/db'], 'DATABASE_URL=postgres://***@host/db'],
    [['-s', '"postgres+ssl://joe:a#secret@host/db"'], 'postgres+ssl://***'],
    [['-s', 'mysql://host/db?user=joe&password=secret'], 'mysql://host/db?***'],
    [['-s', 'postgres2:joe:secret@host'], 'postgres2:***@host'],
  ])('%j is refused, and the error states the problem without the password', async (argv, problem) => {
    const { code, err } = await runCli(['jobs', ...argv], { cwd: scratch.folder() })
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(problem) })
    expect(err).not.toContain('secret')
  })

  it('is refused if it names a SQLite file that does not exist, and the file is not created', async () => {
    const { place } = scratch.empty()
    for (let time = 0; time < 2; time++) {
      expect(await runCli(['jobs', '-s', place])).toMatchObject({
        code: 3,
        err: expect.stringContaining('STORAGE_MISSING'),
      })
    }
  })

  it('is refused if it names a SQLite file without tables, and only `apply` creates tables in such a file', async () => {
    const { place, folder } = scratch.empty()
    const file = join(folder, 'jobs.db')
    const core = import.meta.resolve('@jobistemer/core')
    const content = `import { defineJob } from '${core}'
export default defineJob({ name: 'a', tasks: [{ name: 'a', handler: 'nothing' }] })`
    writeFileSync(join(folder, 'jobs.mjs'), content)
    const sizeOf = () => statSync(file).size
    writeFileSync(file, '')
    for (const isEmpty of [true, false]) {
      if (!isEmpty) new Database(file).exec('VACUUM').close()
      const before = sizeOf()
      expect(before > 0).toBe(!isEmpty)
      for (const argv of [['jobs'], ['trigger', 'a'], ['plan', 'jobs.mjs', '--owner', 'o']]) {
        const { code, err } = await runCli([...argv, '-s', place], { cwd: folder })
        expect([code, err]).toEqual([3, expect.stringContaining('has no tables of Jobistemer. (STORAGE_MISSING')])
      }
      expect(sizeOf()).toBe(before)
    }
    const apply = ['apply', 'jobs.mjs', '--owner', 'o', '--yes', '-s', place]
    expect(await runCli(apply, { cwd: folder })).toMatchObject({ code: 0 })
    writeFileSync(join(folder, 'prefixed.db'), '')
    const prefixed = ['-s', 'sqlite:prefixed.db', '--prefix', 'p_']
    expect((await runCli(['jobs', ...prefixed], { cwd: folder })).err).toContain('has no tables')
    expect(await runCli([...apply.slice(0, -2), ...prefixed], { cwd: folder })).toMatchObject({ code: 0 })
    expect(jobsOf((await runCli(['jobs', '--json', ...prefixed], { cwd: folder })).out)).toEqual(['a'])
    // A mistyped prefix creates no tables in a file that has tables.
    const mistyped = await runCli([...apply, '--prefix', 'p_'], { cwd: folder })
    expect([mistyped.code, mistyped.err]).toEqual([3, expect.stringContaining('with the prefix "p_"')])
  })

  it('opens a SQLite file of an application with --prefix, and refuses a prefix without tables', async () => {
    const { place, folder } = scratch.empty()
    const file = join(folder, 'jobs.db')
    const application = new Database(file)
    application.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY)')
    const storage = sqliteStorage({ file, tablePrefix: 'jobs_' })
    await fillLedger(storage)
    await storage.close()
    const names = () => application.prepare('SELECT name FROM sqlite_schema ORDER BY name').pluck().all()
    const before = names()
    const ask = (...argv: string[]) => runCli(['jobs', '--json', '-s', place, ...argv])
    expect(jobsOf((await ask('--prefix', 'jobs_')).out)).toContain('nightly-report')
    expect(JSON.parse((await ask('--prefix', 'jbos_')).err).error).toMatchObject({
      code: 'STORAGE_MISSING',
      field: '--prefix',
      exitCode: 3,
    })
    expect(JSON.parse((await ask()).err).error).toMatchObject({
      code: 'STORAGE_FOREIGN',
      remedy: 'Give the file that the schedulers use. If the schedulers have a tablePrefix, give it with --prefix.',
    })
    expect(names()).toEqual(before)
    application.close()
  })

  it('is refused if it names a file that is not a SQLite database', async () => {
    const { place, folder } = scratch.empty()
    writeFileSync(join(folder, 'jobs.db'), 'a text that is longer than the head of a database, and none of it')
    expect(await runCli(['jobs', '-s', place])).toMatchObject({
      code: 3,
      err: expect.stringContaining('STORAGE_FOREIGN'),
    })
  })
})
