import { readFileSync } from 'node:fs'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { commandList } from '../src/command-list.ts'
import { allChecks } from '../src/doctor/all-checks.ts'
import { exitCodeMeanings } from '../src/exit-codes.ts'
import { fillLedger, useScratch } from './ledger.ts'
import { runCli } from './run-cli.ts'
import { transcriptOf } from './transcript.ts'

const scratch = useScratch()
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

it('the commands in the CLI’s README print the output that the README shows', async () => {
  const cwd = scratch.folder()
  const storage = sqliteStorage({ file: join(cwd, 'jobs.db') })
  await fillLedger(storage, { hasEvil: false })
  await storage.close()
  const shown = transcriptOf(readme)
  expect(shown.length).toBeGreaterThanOrEqual(10)
  for (const { argv, showsCode, output } of shown) {
    const { code, out, err } = await runCli(argv, { cwd, env: { JOBISTEMER_STORAGE: 'sqlite:jobs.db', USER: 'joe' } })
    expect(`${out}${err}${showsCode ? `${code}\n` : ''}`, argv.join(' ')).toBe(output)
  }
})

it('the CLI’s README lists every command, every exit code, and every finding of doctor', () => {
  for (const { name } of commandList) expect(readme).toMatch(new RegExp(`^\\| \`${name}\\b`, 'm'))
  for (const [code, meaning] of exitCodeMeanings) expect(readme).toContain(`| ${code} | ${meaning} |`)
  const folder = new URL('../src/doctor/checks/', import.meta.url)
  expect(Object.keys(allChecks).length).toBeGreaterThan(10)
  for (const check of Object.values(allChecks)) {
    const file = check.name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    const source = readFileSync(new URL(`${file}.ts`, folder), 'utf8')
    const codes = [...source.matchAll(/code: '([A-Z_]+)'/g)].map(([, code]) => code)
    expect(codes.length, file).toBeGreaterThan(0)
    for (const code of codes) expect(readme).toContain(`| \`${code}\` |`)
  }
})
