import { cpSync, mkdirSync, readdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { useScratch } from './ledger.ts'
import { startShell } from './spawn-cli.ts'

const scratch = useScratch()
const own = fileURLToPath(new URL('..', import.meta.url))

/** Creates a project that has the CLI installed, but no storage package except the given one. */
function project(adapter?: string): string {
  const folder = scratch.folder()
  const modules = join(folder, 'node_modules')
  const installed = join(modules, '@jobistemer/cli')
  mkdirSync(installed, { recursive: true })
  cpSync(join(own, 'dist'), join(installed, 'dist'), { recursive: true })
  cpSync(join(own, 'package.json'), join(installed, 'package.json'))
  cpSync(join(own, 'test/every-command.mjs'), join(installed, 'test/every-command.mjs'))
  for (const name of ['@jobistemer/core', 'commander', 'jiti', 'picocolors', 'string-width']) {
    symlinkSync(realpathSync(join(own, 'node_modules', name)), join(modules, name))
  }
  if (adapter !== undefined) {
    // Copies the adapter, because Node.js would look for the driver beside the target of a link.
    for (const part of ['dist', 'package.json']) {
      const source = join(own, '../..', 'packages', adapter, part)
      cpSync(source, join(modules, '@jobistemer', adapter, part), { recursive: true })
    }
  }
  writeFileSync(join(folder, 'jobs.db'), '')
  return folder
}

/**
 * Runs commands one after the other in one process of the CLI that the project has installed. Returns what each command
 * has written, with its exit code as the last line.
 */
async function run(folder: string, lines: readonly string[]): Promise<readonly string[]> {
  const asked = JSON.stringify(lines.map((line) => line.split(' ')))
  // Clears NODE_PATH, whose folders may contain the missing packages.
  const line = `cd '${folder}' && node node_modules/@jobistemer/cli/test/every-command.mjs '${asked}' 2>&1`
  const { out } = await startShell(line, { env: { NODE_PATH: '' } }).ended
  const texts = out.split(/^== .*\n/m).slice(1)
  expect(texts, out).toHaveLength(lines.length)
  return texts
}

const missing = [
  ['jobs -s sqlite:jobs.db', '@jobistemer/storage-sqlite'],
  ['jobs -s redis://localhost:1', '@jobistemer/storage-redis ioredis'],
  ['jobs -s postgres://localhost:1/app', '@jobistemer/storage-postgres pg'],
  ['jobs -s dynamodb:jobs', '@jobistemer/storage-dynamodb @aws-sdk/client-dynamodb'],
  ['import bullmq --from redis://localhost:1', 'ioredis'],
  ['import pg-boss --from postgres://localhost:1/app', 'pg'],
  ['ui -s sqlite:jobs.db', '@jobistemer/dashboard'],
  ['conformance -s sqlite:jobs.db', '@jobistemer/storage-conformance'],
] as const

it('a command exits with PACKAGE_MISSING if a package of it is missing, and says which packages npm must install', async () => {
  const folder = project()
  const texts = await run(
    folder,
    missing.map(([line]) => line),
  )
  for (const [index, [line, packages]] of missing.entries()) {
    const field = line.startsWith('import') ? ', --from' : ''
    expect(texts[index], line).toMatch(
      new RegExp(`^error: [^\\n]*PACKAGE_MISSING${field}[^\\n]*\\n {2}Run: npm install ${packages}\\ncode 2\\n$`),
    )
  }
  expect(readdirSync(folder).sort()).toEqual(['jobs.db', 'node_modules'])
})

it('jobs and doctor on PostgreSQL exit with PACKAGE_MISSING if the package pg is missing, which sql --from does not need', async () => {
  const place = 'postgres://localhost:1/app'
  const lines = [`jobs -s ${place}`, `doctor -s ${place}`, 'sql --from 0']
  const [sql, ...others] = [...(await run(project('storage-postgres'), lines))].reverse()
  for (const text of others)
    expect(text).toMatch(/^error: [^\n]*PACKAGE_MISSING[^\n]*\n {2}Run: npm install pg\ncode 2\n$/)
  expect(sql).toMatch(/CREATE.*\ncode 0\n$/s)
})
