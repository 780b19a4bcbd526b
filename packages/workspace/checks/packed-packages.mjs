import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { check, complaint } from '../runner/outcome.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { capturePnpm, captureTool } from '../runner/pnpm.mjs'
import { tarballFiles } from './tarball.mjs'

/** Maximum size of an unpacked package, in bytes. Core is the largest package that every user installs. */
const largestSize = 2_000_000

/** Returns a check for each publishable package: publint and @arethetypeswrong/cli inspect the package's tarball. */
export function packedPackages() {
  return workspacePackages()
    .filter(({ publishable }) => publishable)
    .map((workspacePackage) => check(`published form of ${workspacePackage.name}`, () => inspect(workspacePackage)))
}

/** @param {import('../runner/packages.mjs').WorkspacePackage} workspacePackage */
async function inspect({ folder }) {
  const temporary = mkdtempSync(join(tmpdir(), 'jobistemer-pack-'))
  try {
    const tarball = join(temporary, 'package.tgz')
    // Install scripts are off, because the packages are already built. A second build would rewrite `dist` while other
    // tests import it.
    const env = { npm_config_ignore_scripts: 'true' }
    const packed = await capturePnpm(['pack', '--out', tarball], { cwd: folder, env })
    if (packed.exitCode !== 0) return complaint(packed)
    const publint = await captureTool('publint', 'publint', ['run', tarball, '--strict'])
    const types = await captureTool('@arethetypeswrong/cli', 'attw', [
      tarball,
      ...['--profile', 'esm-only', '--format', 'ascii', '--no-color', '--no-emoji'],
    ])
    const files = tarballFiles(readFileSync(tarball))
    return (
      [strayFiles(files.map(({ path }) => path)), tooLarge(files), complaint(publint), complaint(types)]
        .filter(Boolean)
        .join('\n') || undefined
    )
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/**
 * Returns the missing and the superfluous files of a tarball as a problem; undefined without a problem.
 * @param {readonly string[]} paths the paths in a tarball
 * @returns {string | undefined}
 */
export function strayFiles(paths) {
  const needed = ['package.json', 'LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts']
  const missing = needed.filter((path) => !paths.includes(path)).map((path) => `${path} is missing.`)
  const stray = paths
    .filter(
      (path) =>
        !/^dist\/.+\.(js|d\.ts|txt)$|^docs\/|^schema\/[\w-]+\.json$|^(package\.json|LICENSE|README\.md|CHANGELOG\.md)$/.test(
          path,
        ),
    )
    .map((path) => `${path} does not belong there.`)
  return [...missing, ...stray].join('\n') || undefined
}

/**
 * Returns a problem if the files of a tarball exceed the size limit; undefined without a problem.
 * @param {readonly { size: number }[]} files
 * @returns {string | undefined}
 */
export function tooLarge(files) {
  const size = files.reduce((sum, file) => sum + file.size, 0)
  return size > largestSize ? `${size} bytes unpacked; the limit is ${largestSize}.` : undefined
}
