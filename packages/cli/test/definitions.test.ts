import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { useScratch } from './ledger.ts'
import { runCli } from './run-cli.ts'

const scratch = useScratch()

function definitions(hour: number): string {
  // This generated file imports core by its path. In a user's project, such a file imports core by the package's name.
  const core = import.meta.resolve('@jobistemer/core')
  const cron = import.meta.resolve('@jobistemer/ticker-cron')
  return `import { defineJob, type Job } from '${core}'
import { cron } from '${cron}'
const job = (name: string): Job => defineJob({
  name, schedule: cron('0 ${hour} * * *', { timezone: 'UTC' }), tasks: [{ name: 'rows', handler: 'import-rows' }],
})
export const list: readonly Job[] = [job('import'), job('export')]
export default job('archive')
export const other = 42
`
}

it('plan exits with 1 if code and storage differ, and apply stores the planned changes', async () => {
  const { place, folder } = await scratch.ledger()
  const ask = (...argv: string[]) => runCli([...argv, '-s', place, '--owner', 'imports'], { cwd: folder })
  writeFileSync(join(folder, 'jobs.ts'), definitions(3))
  const planned = await ask('plan', 'jobs.ts')
  expect(planned).toMatchInlineSnapshot(`
    {
      "code": 1,
      "err": "",
      "out": "+ archive
        next slots after   2026-01-03 03:00:00Z, 2026-01-04 03:00:00Z, 2026-01-05 03:00:00Z
    + export
        next slots after   2026-01-03 03:00:00Z, 2026-01-04 03:00:00Z, 2026-01-05 03:00:00Z
    ~ import
        schedule       {"type":"cron","expression":"0 0 1 1 *","timezone":"UTC"} → {"type":"cron","expression":"0 3 * * *","timezone":"UTC"}
        task rows      {"data":{"table":"orders"}} → {"data":null}
        overlapPolicy  queue → skip
        startRate      30 in 1 min → unlimited
        next slots before  2027-01-01 00:00:00Z, 2028-01-01 00:00:00Z, 2029-01-01 00:00:00Z
        next slots after   2026-01-03 03:00:00Z, 2026-01-04 03:00:00Z, 2026-01-05 03:00:00Z
    2 to add, 1 to change, 0 to remove, 0 unchanged.
    ",
    }
  `)
  const unconfirmed = await ask('apply', 'jobs.ts')
  expect(unconfirmed).toMatchObject({ code: 2, err: expect.stringContaining('NOT_CONFIRMED') })
  expect(unconfirmed.err).toContain('Give --yes to confirm, or see with jobistemer plan what the command would do.')
  expect(await ask('apply', 'jobs.ts', '--yes')).toMatchObject({ code: 0, out: `${planned.out}Stored.\n` })
  expect(await ask('plan', 'jobs.ts')).toMatchObject({
    code: 0,
    out: '0 to add, 0 to change, 0 to remove, 3 unchanged.\n',
  })

  const small = definitions(4).replace("job('import'), ", '')
  writeFileSync(join(folder, 'fewer.mts'), small)
  const { code, out } = await ask('plan', 'fewer.mts', '--json')
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({
    applied: false,
    added: [],
    changed: [{ name: 'archive' }, { name: 'export' }],
    removed: [{ name: 'import' }],
    unchanged: [],
  })
  expect(JSON.parse((await ask('apply', 'fewer.mts', '--yes', '--json')).out)).toMatchObject({ applied: true })
})

it('plan prints the error and its line number if the module with the definitions throws or is invalid', async () => {
  const { place, folder } = await scratch.ledger()
  const ask = (...argv: string[]) => runCli([...argv, '-s', place], { cwd: folder })
  writeFileSync(join(folder, 'none.mjs'), 'export const jobs = []')
  writeFileSync(join(folder, 'throws.ts'), 'const jobs: number = 1\n\nthrow new Error("no " + jobs)\n')
  expect(await ask('plan', 'none.mjs')).toMatchObject({ code: 2, err: expect.stringContaining('--owner') })
  expect(await ask('plan', 'none.mjs', '--owner', 'a')).toMatchObject({
    code: 2,
    err: expect.stringContaining('exports no definitions'),
  })
  expect(await ask('plan', 'gone.ts', '--owner', 'a')).toMatchObject({
    code: 2,
    err: expect.stringContaining('There is no file'),
  })
  expect(await ask('plan', 'throws.ts', '--owner', 'a')).toMatchObject({
    code: 2,
    err: expect.stringContaining('Error: no 1 (at line 3'),
  })
})

it('plan and apply describe each change of a definition in the same words as the command `versions`', async () => {
  const { place, folder } = await scratch.ledger()
  const ask = (...argv: string[]) => runCli([...argv, '-s', place], { cwd: folder })
  const core = import.meta.resolve('@jobistemer/core')
  const cron = import.meta.resolve('@jobistemer/ticker-cron')
  writeFileSync(
    join(folder, 'report.mjs'),
    `import { defineJob } from '${core}'
import { cron } from '${cron}'
export default defineJob({
  name: 'nightly-report', schedule: cron('0 2 * * *', { timezone: 'Europe/Berlin' }),
  alertAfter: { hours: 26 }, retention: { olderThan: { days: 7 } },
  tasks: [{ name: 'export', run: () => 1 }],
})
`,
  )
  const { out } = await ask('plan', 'report.mjs', '--owner', 'imports')
  expect(out).toMatchInlineSnapshot(`
    "~ nightly-report
        task upload  dropped
        owner        reports → imports
        retention    {"olderThanMs":2592000000,"keep":10} → {"olderThanMs":604800000,"keep":10}
        alertAfter   null → 1 d 2 h
        next slots before  2026-01-03 01:00:00Z, 2026-01-04 01:00:00Z, 2026-01-05 01:00:00Z
        next slots after   2026-01-03 01:00:00Z, 2026-01-04 01:00:00Z, 2026-01-05 01:00:00Z
    - import
        next slots before  2027-01-01 00:00:00Z, 2028-01-01 00:00:00Z, 2029-01-01 00:00:00Z
    0 to add, 1 to change, 1 to remove, 0 unchanged.
    "
  `)
  const planned = JSON.parse((await ask('plan', 'report.mjs', '--owner', 'imports', '--json')).out)
  await ask('apply', 'report.mjs', '--owner', 'imports', '--yes')
  const stored = JSON.parse((await ask('versions', 'nightly-report', '--json')).out)
  expect(stored.versions[0].changes).toEqual(planned.changed[0].changes)
  const changes = (text: string) => text.split('\n').filter((line) => line.includes('→') || line.includes('dropped'))
  const shown = changes((await ask('versions', 'nightly-report')).out)
  expect(shown.map((line) => line.trim())).toEqual(changes(out).map((line) => line.trim()))
})
