import { JobistemerError } from '@jobistemer/core'
import { expect, it } from 'vitest'
import { readCommandLine, usage } from '../src/options.ts'

it('the demo’s command line has a default for every option', () => {
  const options = { database: null, folder: null, seconds: 3, nodes: 2, ledger: 'sqlite', server: null }
  expect(readCommandLine([], '/here')).toEqual({ kind: 'run', options })
})

it('the demo’s command line accepts every option, and resolves relative paths from the current folder', () => {
  const args = ['--db', 'my.db', '--out', '/there/out', '--seconds', '5', '--nodes=1', '--storage=sqlite']
  const options = {
    database: '/here/my.db',
    folder: '/there/out',
    seconds: 5,
    nodes: 1,
    ledger: 'sqlite',
    server: null,
  }
  expect(readCommandLine(args, '/here')).toEqual({ kind: 'run', options })
})

it('the demo’s command line accepts the URL of a Redis server together with the option --storage redis', () => {
  const args = ['--storage', 'redis', '--redis-url', 'rediss://:secret@there:6380/1']
  const options = { ledger: 'redis', server: 'rediss://:secret@there:6380/1' }
  expect(readCommandLine(args, '/here')).toMatchObject({ kind: 'run', options })
  expect(readCommandLine(args.slice(0, 2), '/here')).toMatchObject({ options: { ledger: 'redis', server: null } })
})

it('the demo’s command line ignores the argument `--`, which some package managers pass on to the program', () => {
  expect(readCommandLine(['--', '--seconds', '5'], '/here')).toMatchObject({ options: { seconds: 5 } })
})

it('the demo prints its usage for --help, even with other options', () => {
  expect(readCommandLine(['--seconds', '0', '--help'], '/here')).toEqual({ kind: 'help' })
  expect(readCommandLine(['-h'], '/here')).toEqual({ kind: 'help' })
})

it('the demo’s usage contains every option', () => {
  for (const option of [
    '--db',
    '--out',
    '--seconds',
    '--nodes',
    '--storage',
    '--redis-url',
    '--dynamodb-endpoint',
    '--postgres-url',
    '--help',
  ])
    expect(usage).toContain(option)
})

const refused: readonly (readonly [string, string, string])[] = [
  ['--sec 5', 'UNKNOWN_OPTION', 'options'],
  ['my.db', 'INVALID_ARGUMENT', 'options'],
  ['--db', 'INVALID_ARGUMENT', 'options'],
  ['--db=', 'INVALID_ARGUMENT', '--db'],
  ['--out=', 'INVALID_ARGUMENT', '--out'],
  ['--seconds 0', 'INVALID_ARGUMENT', '--seconds'],
  ['--seconds 31', 'INVALID_ARGUMENT', '--seconds'],
  ['--seconds 2.5', 'INVALID_ARGUMENT', '--seconds'],
  ['--seconds soon', 'INVALID_ARGUMENT', '--seconds'],
  ['--nodes 0', 'INVALID_ARGUMENT', '--nodes'],
  ['--nodes 3', 'INVALID_ARGUMENT', '--nodes'],
  ['--redis-url redis://there', 'INVALID_ARGUMENT', '--redis-url'],
  ['--storage sqlite --redis-url redis://there', 'INVALID_ARGUMENT', '--redis-url'],
  ['--storage redis --redis-url', 'INVALID_ARGUMENT', 'options'],
  ['--storage redis --redis-url=', 'INVALID_ARGUMENT', '--redis-url'],
  ['--storage redis --redis-url localhost', 'INVALID_ARGUMENT', '--redis-url'],
  ['--storage redis --redis-url http://there', 'INVALID_ARGUMENT', '--redis-url'],
  ['--storage redis --dynamodb-endpoint http://there', 'INVALID_ARGUMENT', '--dynamodb-endpoint'],
  ['--storage dynamodb --dynamodb-endpoint there:8000', 'INVALID_ARGUMENT', '--dynamodb-endpoint'],
  ['--storage pglite --postgres-url postgres://there', 'INVALID_ARGUMENT', '--postgres-url'],
  ['--storage postgres --postgres-url there', 'INVALID_ARGUMENT', '--postgres-url'],
  ['--storage papyrus', 'INVALID_ARGUMENT', '--storage'],
  ['--storage constructor', 'INVALID_ARGUMENT', '--storage'],
]

it.each(refused)('the demo’s command line refuses the invalid options %s', (line, code, field) => {
  let refusal: unknown
  try {
    readCommandLine(line.split(' '), '/here')
  } catch (error) {
    refusal = error
  }
  expect(JobistemerError.isInstance(refusal) && { code: refusal.code, field: refusal.field }).toEqual({ code, field })
})
