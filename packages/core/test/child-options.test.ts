import { describe, expect, it } from 'vitest'
import { LastLines } from '../src/engine/execution/isolation/child.ts'
import { ownOptions } from '../src/engine/execution/isolation/starter-process.ts'

describe('the Node.js options that a child process inherits from its node', () => {
  it.each([
    [
      'include the options for running modules',
      ['--import', 'tsx', '--enable-source-maps'],
      ['--import', 'tsx', '--enable-source-maps'],
    ],
    [
      'exclude the debugger, whose port the node uses',
      ['--inspect', '--inspect-brk=127.0.0.1:9229', '--no-warnings'],
      ['--no-warnings'],
    ],
    [
      'exclude a program on the command line',
      ['--input-type=module', '-e', 'start()', '--no-warnings'],
      ['--no-warnings'],
    ],
    ['exclude test runs, profiles and watch mode', ['--test', '--watch', '--cpu-prof', '--prof'], []],
  ])('include only options that a child needs too: the inherited options %s', (_, given, kept) => {
    expect(ownOptions(given)).toEqual(kept)
  })
})

describe('the last lines of a child’s output', () => {
  it('are at most ten lines of at most 200 characters each, without the stack frames of native code', () => {
    const lines = new LastLines()
    lines.add(Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join(''))
    lines.add(` 1: 0xb70890 node::OOM [node]\n12: 0x1cca476 [node]\n${'x'.repeat(5000)}\nhalf a `)
    lines.add('line')
    const kept = lines.get().split('\n')
    expect(kept).toHaveLength(10)
    expect(kept.slice(-2)).toEqual(['x'.repeat(200), 'half a line'])
    expect(kept[0]).toBe('line 92')
  })
})
