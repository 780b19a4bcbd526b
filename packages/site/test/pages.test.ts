import { expect, it } from 'vitest'
import { readPages } from '../src/pages.ts'

it('the site has a page for each document of published packages, and none for maintainers’ documents', () => {
  const sources = readPages().map(({ source }) => source)
  expect(sources).toEqual(expect.arrayContaining(['core/README.md', 'core/docs/api.md', 'storage-redis/docs/guide.md']))
  expect(sources.filter((source) => /decisions|engine\.md|^(simulator|workspace)/.test(source))).toEqual([])
})
