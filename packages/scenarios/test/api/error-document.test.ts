import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const core = new URL('../../../core/', import.meta.url)

/** The codes of the type `ErrorCode`, by group. In the source of the type, a comment begins each group. */
const declared = declaredCodes(readFileSync(new URL('src/errors.ts', core), 'utf8'))
const sections = readFileSync(new URL('docs/errors.md', core), 'utf8')
  .split(/^## /m)
  .slice(1)
  .map((section) => ({ group: section.split('\n', 1)[0] ?? '', rows: rowsOf(section) }))

describe('docs/errors.md', () => {
  it('lists each code of `ErrorCode`, in the groups and the order of `ErrorCode`', () => {
    expect(declared.flatMap(({ codes }) => codes).length).toBeGreaterThan(40)
    expect(sections.map(({ group, rows }) => ({ group, codes: rows.map(([code]) => code) }))).toEqual(declared)
  })

  it('states a cause and a remedy for each error code', () => {
    const incomplete = sections.flatMap(({ rows }) => rows.filter((cells) => cells.length !== 3 || cells.includes('')))
    expect(incomplete).toEqual([])
  })
})

function declaredCodes(source: string): readonly { readonly group: string; readonly codes: readonly string[] }[] {
  const union = /export type ErrorCode =\n((?: {2}.*\n)+)/.exec(source)?.[1] ?? ''
  return union
    .split(/^ *\/\/ /m)
    .slice(1)
    .map((group) => ({
      group: group.split('\n', 1)[0] ?? '',
      codes: [...group.matchAll(/\| '([A-Z_]+)'/g)].map(([, code = '']) => code),
    }))
}

/** Returns the cells of each table row; the first cell is the code without its quotes. */
function rowsOf(section: string): readonly (readonly string[])[] {
  return [...section.matchAll(/^\| `([A-Z_]+)` \|(.*)\|$/gm)].map(([, code = '', rest = '']) => [
    code,
    ...rest.split(' | ').map((cell) => cell.trim()),
  ])
}
