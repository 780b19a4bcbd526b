import { readFileSync } from 'node:fs'
import * as core from '@jobistemer/core'
import * as schedules from '@jobistemer/core/schedule'
import * as protocol from '@jobistemer/core/storage'
import * as testing from '@jobistemer/core/testing'
import { expect, it } from 'vitest'
import { entryPointsOf } from '../support/declarations.ts'

const docs = new URL('../../../core/docs/', import.meta.url)

/** Returns the sections below the third-level headings of a document, by heading. */
function sectionsOf(file: string): ReadonlyMap<string, string> {
  const sections = readFileSync(new URL(file, docs), 'utf8').split(/^### /m)
  return new Map(sections.map((section) => [String(section.split('\n', 1)[0]), section]))
}

it('`entryPointsOf` finds each export of the modules of core', () => {
  const found = entryPointsOf('core').map(({ specifier, exports }) => [
    specifier,
    exports
      .filter(({ kind }) => kind === 'value')
      .map(({ name }) => name)
      .sort(),
  ])
  expect(found).toEqual([
    ['@jobistemer/core', Object.keys(core).sort()],
    ['@jobistemer/core/schedule', Object.keys(schedules).sort()],
    ['@jobistemer/core/storage', Object.keys(protocol).sort()],
    ['@jobistemer/core/testing', Object.keys(testing).sort()],
  ])
})

it.each([
  ['api.md', { ...core, ...testing }],
  ['schedule.md', schedules],
  ['storage.md', protocol],
])('the document %s has a section with an example for each exported value', (file, module) => {
  const sections = sectionsOf(file)
  expect(Object.keys(module).filter((name) => !sections.get(name)?.includes('```ts'))).toEqual([])
})
