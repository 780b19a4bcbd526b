import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { strayFiles } from '../checks/packed-packages.mjs'
import { tarballFiles } from '../checks/tarball.mjs'
import { capturePnpm } from '../runner/pnpm.mjs'
import { root } from '../runner/repository.mjs'

/**
 * Creates a workspace with one unbuilt package. Symbolic links give the package the repository's installed
 * dependencies.
 * @param {string} path the package's folder, relative to the top folder
 */
function unbuiltCopy(path) {
  const top = mkdtempSync(join(tmpdir(), 'jobistemer-prepack-'))
  onTestFinished(() => rmSync(top, { recursive: true }))
  for (const file of ['package.json', 'pnpm-workspace.yaml', 'tsconfig.base.json', 'LICENSE']) {
    cpSync(join(root, file), join(top, file))
  }
  mkdirSync(join(top, path), { recursive: true })
  for (const entry of ['package.json', 'README.md', 'src', 'tsconfig.json', 'tsconfig.build.json']) {
    cpSync(join(root, path, entry), join(top, path, entry), { recursive: true })
  }
  for (const folder of ['.', path]) symlinkSync(join(root, folder, 'node_modules'), join(top, folder, 'node_modules'))
  return join(top, path)
}

it('packing a package builds it if it was never built', async () => {
  const folder = unbuiltCopy('packages/ticker-once')
  expect(existsSync(join(folder, 'dist'))).toBe(false)
  const tarball = join(folder, 'packed.tgz')
  const { exitCode, output } = await capturePnpm(['pack', '--out', tarball], { cwd: folder })
  expect(exitCode, output).toBe(0)
  expect(strayFiles(tarballFiles(readFileSync(tarball)).map(({ path }) => path))).toBeUndefined()
})

it('packing a package fails if its build fails', async () => {
  const folder = unbuiltCopy('packages/ticker-once')
  rmSync(join(folder, 'tsconfig.build.json'))
  const tarball = join(folder, 'packed.tgz')
  const { exitCode, output } = await capturePnpm(['pack', '--out', tarball], { cwd: folder })
  expect(exitCode, output).not.toBe(0)
  expect(existsSync(tarball)).toBe(false)
})
