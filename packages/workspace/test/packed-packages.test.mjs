import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { publishingProblems, strayFiles, tooLarge, typeProblems } from '../checks/packed-packages.mjs'
import { tarballFiles } from '../checks/tarball.mjs'
import { capturePnpm } from '../runner/pnpm.mjs'

const needed = ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts']

it('the check of tarballs accepts the build, the documents and the schemas of a package', () => {
  const more = ['dist/storage/index.js', 'docs/guide.md', 'schema/jobs.json', 'CHANGELOG.md']
  expect(strayFiles([...needed, ...more])).toBeUndefined()
})

it.each(needed)('the check of tarballs reports %s if it is missing', (path) => {
  expect(strayFiles(needed.filter((other) => other !== path))).toBe(`${path} is missing.`)
})

it.each([
  'src/index.ts',
  'dist/index.js.map',
  'test/engine.test.ts',
  'vitest.config.ts',
  'tsconfig.json',
  'notes.md',
  'schema/notes.md',
])('the check of tarballs reports the file %s, which does not belong in a package', (path) => {
  expect(strayFiles([...needed, path])).toBe(`${path} does not belong there.`)
})

it('tarballFiles lists the files of a tarball made by pnpm, including files with long paths', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-tarball-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const deep = join('dist', 'a'.repeat(60), 'b'.repeat(60))
  mkdirSync(join(folder, deep), { recursive: true })
  writeFileSync(join(folder, deep, 'index.js'), 'x'.repeat(1500))
  writeFileSync(join(folder, 'README.md'), '')
  writeFileSync(join(folder, 'package.json'), '{ "name": "any", "version": "1.0.0", "files": ["dist"] }')
  const { output, exitCode } = await capturePnpm(['pack', '--out', join(folder, 'any.tgz')], { cwd: folder })
  expect(exitCode, output).toBe(0)
  const files = tarballFiles(readFileSync(join(folder, 'any.tgz')))
  expect(files.map(({ path }) => path).sort()).toEqual(['README.md', `${deep}/index.js`, 'package.json'].sort())
  expect(files).toContainEqual({ path: `${deep}/index.js`, size: 1500 })
})

it('the check of tarballs reports a package that is larger than 2 MB', () => {
  expect(tooLarge([{ size: 1_000_000 }, { size: 1_000_000 }])).toBeUndefined()
  expect(tooLarge([{ size: 1_000_000 }, { size: 1_000_001 }])).toBe('2000001 bytes unpacked; the limit is 2000000.')
})

it('the check of tarballs reports an entry point without a file, and an entry point with the wrong declarations', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-tarball-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const file of ['index.js', 'index.d.ts', 'index.d.cts']) writeFileSync(join(folder, file), 'export {}\n')
  const tarballOf = async (/** @type {object} */ exports) => {
    const manifest = { name: 'any', version: '1.0.0', license: 'MIT', type: 'module', exports }
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
    const { output, exitCode } = await capturePnpm(['pack', '--out', join(folder, 'any.tgz')], { cwd: folder })
    expect(exitCode, output).toBe(0)
    return readFileSync(join(folder, 'any.tgz'))
  }
  const right = await tarballOf({ '.': { types: './index.d.ts', default: './index.js' } })
  expect([await publishingProblems(right), await typeProblems(right)]).toEqual([[], []])
  const wrong = await tarballOf({ '.': { types: './index.d.cts', default: './index.js' }, './more': './more.js' })
  expect(await publishingProblems(wrong)).toContainEqual(expect.stringContaining('./more.js'))
  expect(await typeProblems(wrong)).toContainEqual(expect.stringContaining('"FalseCJS"'))
})
