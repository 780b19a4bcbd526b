import { expect, it } from 'vitest'
import { siteMarkdown } from '../src/stage.ts'

const page = { source: 'core/docs/api.md', file: 'reference/core/api.md' }
const pages = [
  page,
  { source: 'core/README.md', file: 'reference/core/index.md' },
  { source: 'core/docs/log.md', file: 'reference/core/log.md' },
  { source: 'storage-redis/README.md', file: 'reference/storage-redis/index.md' },
]
const repository = 'https://github.com/jobistemer/jobistemer'

it.each([
  ['[a](log.md#errors)', '[a](log.md#errors)'],
  ['[a](../README.md)', '[a](index.md)'],
  ['[a](#own)', '[a](#own)'],
  ['[a](https://example.org/log.md)', '[a](https://example.org/log.md)'],
  [`[a](${repository}/tree/main/packages/storage-redis#readme)`, '[a](../storage-redis/index.md)'],
  [`[a](${repository}/blob/main/packages/core/docs/log.md#errors)`, '[a](log.md#errors)'],
  ['[a](engine.md)', `[a](${repository}/blob/main/packages/core/docs/engine.md)`],
  ['[a](../../../examples/tour/README.md#b)', `[a](${repository}/blob/main/examples/tour/README.md#b)`],
  ['[a](missing.md)', '[a](missing.md)'],
  ['a `b` [`c`](../README.md), [d](log.md).', 'a `b` [`c`](index.md), [d](log.md).'],
  ['```md\n[a](../README.md)\n```\n[a](../README.md)', '```md\n[a](../README.md)\n```\n[a](index.md)'],
])('the Markdown %s of a document becomes %s on the site', (markdown, expected) => {
  expect(siteMarkdown(markdown, page, pages, new Set())).toBe(expected)
})

it('a picture in a document is copied to the site', () => {
  const pictures = new Set<string>()
  const readme = { source: 'dashboard/README.md', file: 'reference/dashboard/index.md' }
  const text = siteMarkdown('![Jobs](docs/overview.png)', readme, [], pictures)
  expect(text).toBe('![Jobs](/pictures/dashboard/docs/overview.png)')
  expect([...pictures]).toEqual(['dashboard/docs/overview.png'])
})
