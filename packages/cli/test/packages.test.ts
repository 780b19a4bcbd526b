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

it.each([
  ['sqlite:jobs.db', '@jobistemer/storage-sqlite'],
  ['redis://localhost:1', '@jobistemer/storage-redis ioredis'],
  ['postgres://localhost:1/app', '@jobistemer/storage-postgres pg'],
  ['dynamodb:jobs', '@jobistemer/storage-dynamodb @aws-sdk/client-dynamodb'],
])(
  'jobistemer -s %s exits with PACKAGE_MISSING if the adapter is missing, and says npm install %s',
  async (place, packages) => {
    const folder = project()
    // Clears NODE_PATH, whose folders may contain the storage package. The test needs this package to be missing.
    const line = `cd '${folder}' && node node_modules/@jobistemer/cli/dist/bin.js jobs -s '${place}'`
    const { code, out, err } = await startShell(line, { env: { NODE_PATH: '' } }).ended
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain('PACKAGE_MISSING')
    expect(err).toContain(`\n  Run: npm install ${packages}\n`)
  },
)

it.each([
  ['bullmq --from redis://localhost:1', 'ioredis'],
  ['pg-boss --from postgres://localhost:1/app', 'pg'],
])(
  'jobistemer import %s exits with PACKAGE_MISSING if the driver is missing, and says npm install %s',
  async (source, driver) => {
    const line = `cd '${project()}' && node node_modules/@jobistemer/cli/dist/bin.js import ${source}`
    const { code, out, err } = await startShell(line, { env: { NODE_PATH: '' } }).ended
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(new RegExp(`PACKAGE_MISSING, --from.*\\n {2}Run: npm install ${driver}\\n`))
  },
)

it.each(['jobs', 'doctor'])(
  'jobistemer %s exits with PACKAGE_MISSING if the package pg is missing',
  async (command) => {
    const folder = project('storage-postgres')
    const line = `cd '${folder}' && node node_modules/@jobistemer/cli/dist/bin.js ${command} -s postgres://localhost:1/app`
    const { code, out, err } = await startShell(line, { env: { NODE_PATH: '' } }).ended
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/PACKAGE_MISSING.*\n {2}Run: npm install pg\n/)
  },
)

it('jobistemer sql --from needs no package pg', async () => {
  const folder = project('storage-postgres')
  const line = `cd '${folder}' && node node_modules/@jobistemer/cli/dist/bin.js sql --from 0`
  const { code, out } = await startShell(line, { env: { NODE_PATH: '' } }).ended
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('CREATE') })
})

it('jobistemer ui exits with PACKAGE_MISSING if the dashboard is missing, and names the package to install', async () => {
  const line = `cd '${project()}' && node node_modules/@jobistemer/cli/dist/bin.js ui -s sqlite:jobs.db`
  const { code, out, err } = await startShell(line, { env: { NODE_PATH: '' } }).ended
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain('\n  Run: npm install @jobistemer/dashboard\n')
})

it('conformance exits with PACKAGE_MISSING if the conformance kit is missing, and names the package to install', async () => {
  const folder = project()
  const line = `cd '${folder}' && node node_modules/@jobistemer/cli/dist/bin.js conformance -s sqlite:jobs.db`
  const { code, out, err } = await startShell(line, { env: { NODE_PATH: '' } }).ended
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toMatch(/PACKAGE_MISSING.*\n {2}Run: npm install @jobistemer\/storage-conformance\n/)
  expect(readdirSync(folder).sort()).toEqual(['jobs.db', 'node_modules'])
})
