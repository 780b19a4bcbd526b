import { expect, it } from 'vitest'
import { strayFiles } from '../checks/packed-packages.mjs'

const needed = ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts']

/** @param {readonly string[]} paths */
const listing = (paths) => JSON.stringify({ name: 'any', files: paths.map((path) => ({ path })) })

it('accepts a tarball of the build, the sources and the documents', () => {
  const more = ['dist/storage/index.js', 'src/index.ts', 'docs/guide.md', 'CHANGELOG.md']
  expect(strayFiles(listing([...needed, ...more]))).toBeUndefined()
})

it.each(needed)('names %s when it is missing', (path) => {
  expect(strayFiles(listing(needed.filter((other) => other !== path)))).toBe(`${path} is missing.`)
})

it.each(['test/engine.test.ts', 'vitest.config.ts', 'tsconfig.json', 'notes.md'])(
  'names %s as a stray file',
  (path) => {
    expect(strayFiles(listing([...needed, path]))).toBe(`${path} does not belong there.`)
  },
)
