import { describe, expect, it } from 'vitest'
import { type Declaration, type EntryPoint, entryPointsOf, publicPackages } from '../support/declarations.ts'

const entryPoints: readonly EntryPoint[] = publicPackages().flatMap(entryPointsOf)
const byName = new Map(
  entryPoints.flatMap(({ exports }) => exports.map((one): [string, Declaration] => [one.name, one])),
)

/** Members that need no doc comment, because their names mean the same in all types. */
const selfExplaining = [
  'id',
  'jobId',
  'occurrenceId',
  'name',
  'number',
  'kind',
  'state',
  'reason',
  'actor',
  'message',
  'details',
  'owner',
  'token',
  'items',
  'now',
  'scheduledAt',
  'createdAt',
  'finishedAt',
  'executionTimeoutMs',
  'hours',
  'minutes',
  'seconds',
  'milliseconds',
]

function isInherited(declaration: Declaration, member: string): boolean {
  return declaration.parents.some((name) => {
    const parent = byName.get(name)
    return (
      parent?.members.some((one) => one.name === member && one.isDocumented) ||
      (parent !== undefined && isInherited(parent, member))
    )
  })
}

it('`entryPointsOf` finds the exports of all public packages', () => {
  const counts = entryPoints.map(({ specifier, exports }) => [specifier, exports.length > 0])
  expect(counts).toContainEqual(['@jobistemer/core/storage', true])
  expect(counts.filter(([, isFound]) => !isFound)).toEqual([])
  expect(byName.get('JobOperations')?.members.find(({ name }) => name === 'trigger')).toEqual({
    name: 'trigger',
    isMethod: true,
    isDocumented: true,
  })
})

describe.each(publicPackages())('the package %s', (folder) => {
  it('exports each type that its exported values and types mention', () => {
    const exports = entryPointsOf(folder).flatMap((entryPoint) => entryPoint.exports)
    const names = new Set(exports.map(({ name }) => name))
    const missing = exports.flatMap(({ name, mentions }) =>
      mentions.filter((mentioned) => !names.has(mentioned)).map((mentioned) => `${mentioned}, of ${name}`),
    )
    expect([...new Set(missing)]).toEqual([])
  })
})

it('`entryPointsOf` lists the types that the declaration of `JobOperations` mentions', () => {
  expect(byName.get('JobOperations')?.mentions).toEqual(expect.arrayContaining(['TriggerOptions', 'Occurrence', 'Job']))
})

describe.each(entryPoints.map((entryPoint) => [entryPoint.specifier, entryPoint.exports] as const))(
  'the entry point %s',
  (_, exports) => {
    it('has a doc comment on each export', () => {
      expect(exports.filter((one) => !one.isDocumented).map(({ name }) => name)).toEqual([])
    })

    it('has a doc comment on each method, and on each other member whose name is not self-explanatory', () => {
      const missing = exports.flatMap((declaration) =>
        declaration.members
          .filter(({ name, isMethod, isDocumented }) => !isDocumented && (isMethod || !selfExplaining.includes(name)))
          .filter(({ name }) => !isInherited(declaration, name))
          .map(({ name }) => `${declaration.name}.${name}`),
      )
      expect(missing).toEqual([])
    })
  },
)
