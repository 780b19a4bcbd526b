import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { installFingerprint } from '../runner/bootstrap.mjs'
import { workspaceDependencies, workspacePackages } from '../runner/packages.mjs'

/** The files of a small workspace, by path. */
const files = {
  'package.json': '{ "name": "top" }',
  'pnpm-workspace.yaml': "packages:\n  - packages/*\n  - 'examples/*'\nonlyBuiltDependencies:\n  - addon\n",
  'pnpm-lock.yaml': 'lockfileVersion: 9\n',
  'packages/b/package.json': '{ "name": "b", "dependencies": { "a": "workspace:^" } }',
  'packages/a/package.json': '{ "name": "a", "private": true }',
  'packages/a/src/index.ts': '',
  'packages/notes/README.md': '',
  'examples/c/package.json': '{ "name": "c" }',
}

/** @param {Record<string, string>} [changes] */
function workspace(changes = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-workspace-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [path, content] of Object.entries({ ...files, ...changes })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return folder
}

it('workspacePackages finds the packages in every folder of the workspace, in a stable order', () => {
  const found = workspacePackages(workspace()).map(({ path, name, publishable }) => ({ path, name, publishable }))
  expect(found).toEqual([
    { path: 'examples/c', name: 'c', publishable: true },
    { path: 'packages/a', name: 'a', publishable: false },
    { path: 'packages/b', name: 'b', publishable: true },
  ])
})

it('a change of the lockfile, of a manifest or of the package list causes a new installation of the dependencies', () => {
  const before = installFingerprint(workspace())
  expect(installFingerprint(workspace())).toBe(before)
  for (const changes of [
    { 'pnpm-lock.yaml': 'lockfileVersion: 10\n' },
    { 'packages/a/package.json': '{ "name": "a", "private": true, "dependencies": {} }' },
    { 'packages/d/package.json': '{ "name": "d" }' },
    { 'pnpm-workspace.yaml': 'packages:\n  - packages/*\n' },
  ]) {
    expect(installFingerprint(workspace(changes))).not.toBe(before)
  }
})

it('a change of a source file causes no new installation of the dependencies', () => {
  const before = installFingerprint(workspace())
  expect(installFingerprint(workspace({ 'packages/a/src/index.ts': 'export {}' }))).toBe(before)
})

it('workspaceDependencies reads each workspace dependency once from all dependency fields', () => {
  expect(
    workspaceDependencies({
      dependencies: { luxon: '^3.0.0', b: 'workspace:^' },
      devDependencies: { a: 'workspace:^', b: 'workspace:*' },
      peerDependencies: { c: 'workspace:^' },
      optionalDependencies: { d: 'workspace:^' },
    }),
  ).toEqual(['a', 'b', 'c', 'd'])
})
