import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { membersOf, withMembers } from '../src/members.ts'
import { packagesFolder } from '../src/pages.ts'

const source = `export interface Other {
  readonly no: 1
}

/** Options. */
export interface Options {
  /** The first one,
   * a {@link Duration}. Default 1. */
  readonly first?: number
  'second.one': Base & {
    /** Inner. */
    readonly inner: string
  }
}
`

it('membersOf returns each member with its declaration and its documentation comment', () => {
  expect(membersOf(source, 'Options')).toEqual([
    { member: 'first', type: 'readonly first?: number', text: 'The first one,\na `Duration`. Default 1.' },
    { member: 'second.one', type: "'second.one': Base & {\n  /** Inner. */\n  readonly inner: string\n}", text: '' },
  ])
})

it('membersOf accepts an interface whose `extends` clause stands on its own line', () => {
  const extended = "export interface Long\n  extends Pick<Options, 'first'> {\n  readonly second: 2\n}\n"
  expect(membersOf(extended, 'Long')).toEqual([{ member: 'second', type: 'readonly second: 2', text: '' }])
})

it('membersOf throws for an interface that does not exist', () => {
  expect(() => membersOf(source, 'Missing')).toThrow('The source exports no interface Missing.')
})

it.each(['options', 'events'])('each member on the reference page of the package %s has a description', (page) => {
  const sections = withMembers(readFileSync(`${packagesFolder}site/docs/reference/${page}.md`, 'utf8')).split(/^### /m)
  expect(sections.length).toBeGreaterThan(20)
  expect(sections.filter((section) => /^.*\n\n\n/.test(section)).map((section) => section.split('\n')[0])).toEqual([])
})

it.each([
  ['core/src/scheduler-options.ts', 'SchedulerOptions', /^ {2}'(\w+)',$/gm, 20],
  ['core/src/events.ts', 'SchedulerEvents', /^ {2}'([a-z]+\.[a-z]+)':/gm, 21],
])('membersOf finds, in the source file %s, each member of the interface %s', (file, name, names, fewest) => {
  const text = readFileSync(packagesFolder + file, 'utf8')
  const wanted = [...text.matchAll(names)].map(([, member]) => member)
  expect(wanted.length).toBeGreaterThanOrEqual(fewest)
  expect(membersOf(text, name).map(({ member }) => member)).toEqual(expect.arrayContaining(wanted))
  expect(membersOf(text, name).length).toBe(new Set(wanted).size)
})
