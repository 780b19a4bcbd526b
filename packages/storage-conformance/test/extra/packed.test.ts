import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kitEffort } from '../../../workspace/test-effort.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../../../', import.meta.url))
const packed = ['core', 'storage-memory', 'storage-conformance']

interface Manifest {
  readonly name: string
  readonly packageManager?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
}

/**
 * Returns the command line of pnpm. If pnpm runs this test, the command is the same pnpm. Otherwise the command is npx, which
 * runs the pnpm version that the repository requires.
 */
async function pnpmCommand(): Promise<readonly [string, ...string[]]> {
  const program = process.env.npm_execpath ?? ''
  if (/pnpm(\.c?js)?$/.test(program)) return [process.execPath, program]
  const { packageManager } = await readManifest(root)
  return ['npx', '-y', String(packageManager)]
}

/** Packs the packages as for publishing. Returns the `file:` addresses of the tarballs by package name. */
async function packAll(folder: string): Promise<Readonly<Record<string, string>>> {
  const [command, ...args] = await pnpmCommand()
  const tarballs: Record<string, string> = {}
  for (const name of packed) {
    const source = join(root, 'packages', name)
    const before = new Set(await readdir(folder))
    // Skips the build scripts. A second build would rewrite `dist` while tests of other packages import it.
    const env = { ...process.env, npm_config_ignore_scripts: 'true' }
    await run(command, [...args, 'pack', '--pack-destination', folder], { cwd: source, env })
    const [tarball] = (await readdir(folder)).filter((file) => !before.has(file))
    if (tarball === undefined) throw new Error(`pnpm packed nothing of ${name}`)
    tarballs[(await readManifest(source)).name] = `file:${join(folder, tarball)}`
  }
  return tarballs
}

/** Installs the example adapter outside of the workspace, with the packed packages as dependencies. */
async function installExample(folder: string, tarballs: Readonly<Record<string, string>>): Promise<void> {
  const example = join(root, 'examples', 'custom-storage')
  for (const part of ['src', 'test']) await cp(join(example, part), join(folder, part), { recursive: true })
  const manifest = await readManifest(example)
  const asPacked = (dependencies: Readonly<Record<string, string>> = {}) =>
    Object.fromEntries(Object.entries(dependencies).map(([name, range]) => [name, tarballs[name] ?? range]))
  const outside = {
    ...manifest,
    dependencies: asPacked(manifest.dependencies),
    // Makes all tarballs direct dependencies. Otherwise npm would search the registry for the kit's own dependency.
    devDependencies: { ...tarballs, ...asPacked(manifest.devDependencies) },
  }
  await writeFile(join(folder, 'package.json'), JSON.stringify(outside, null, 2))
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts'], {
    cwd: folder,
    // Removes npm_config_ variables of the calling pnpm, because npm prints a warning about each unknown setting.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('npm_config_'))),
  })
}

describe('the packed conformance kit, installed in its own project,', () => {
  let folder = ''

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'packed-kit-'))
    const tarballs = join(folder, 'tarballs')
    await mkdir(tarballs)
    await installExample(folder, await packAll(tarballs))
  }, 180_000)

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  it('passes under node:test with the adapter that the guide describes', async () => {
    const report = join(folder, 'report.json')
    const env = {
      ...process.env,
      JOBISTEMER_TEST_REPORT: report,
      JOBISTEMER_CONFORMANCE_SCALE: String(kitEffort(0.05).scale),
    }
    await run(process.execPath, [join('test', 'run.js')], { cwd: folder, env, maxBuffer: 2 ** 26 })
    const counts = JSON.parse(await readFile(report, 'utf8')) as { passed: number; failed: number }
    expect(counts.failed).toBe(0)
    expect(counts.passed).toBeGreaterThan(200)
  }, 180_000)

  it('contains its types and its guide, and no tests', async () => {
    const kit = join(folder, 'node_modules', '@jobistemer', 'storage-conformance')
    const files = await readdir(kit, { recursive: true })
    for (const file of ['README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/races/race-child.js']) {
      expect(files).toContain(file)
    }
    expect(files).toContain('docs/write-your-own-adapter.md')
    expect(files.filter((file) => file.startsWith('test'))).toEqual([])
    expect(JSON.stringify(await readManifest(kit))).not.toContain('workspace:')
  })

  it('has types that accept a correct program in TypeScript and reject an unknown member', async () => {
    const consumer = `
      import { describe, it } from 'node:test'
      import type { Storage } from '@jobistemer/core/storage'
      import { assertLedger, type LedgerReport, storageCases, storageConformance } from '@jobistemer/storage-conformance'
      import { memoryStorage } from '@jobistemer/storage-memory'

      const storage: Storage = memoryStorage()
      storageConformance({
        describe,
        it,
        name: 'mine',
        capabilities: { subscribe: true, findsDueJobs: true, takesNext: true },
        skip: [{ test: storageCases({})[0]!.name, reason: 'to see its type' }],
        open: () => ({ connect: async () => storage, dispose: async () => {} }),
      })
      export const report: Promise<LedgerReport> = assertLedger(storage, { atRest: true, slots: () => [1, 2] })
    `
    await writeFile(join(folder, 'consumer.mts'), consumer)
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const types = ['--typeRoots', join(root, 'node_modules', '@types'), '--types', 'node']
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck', ...types]
    await run(process.execPath, [tsc, ...options, 'consumer.mts'], { cwd: folder }).catch(({ stdout, stderr }) => {
      throw new Error(`${stdout}${stderr}`)
    })
    await writeFile(join(folder, 'wrong.mts'), consumer.replace("reason: 'to see its type'", 'why: 1'))
    await expect(run(process.execPath, [tsc, ...options, 'wrong.mts'], { cwd: folder })).rejects.toMatchObject({
      stdout: expect.stringContaining("'why' does not exist in type 'SkippedCase'"),
    })
  })
})
