import { describe, expect, it } from 'vitest'
import { choose } from '../src/choose.mjs'
import { findMutants } from '../src/find-mutants.mjs'

/** @param {string} code */
function mutated(code) {
  return findMutants(code).map(({ start, end, replacement }) => code.slice(0, start) + replacement + code.slice(end))
}

describe('findMutants', () => {
  it('replaces a condition by true and by false', () => {
    expect(mutated('if (open) close()')).toEqual(['if (true) close()', 'if (false) close()'])
    expect(mutated('const a = open ? 1 : 2')).toEqual(['const a = true ? 1 : 2', 'const a = false ? 1 : 2'])
  })

  it('replaces `<` by `<=` and by `>=`, and `===` by `!==`', () => {
    expect(mutated('if (a < b) c()')).toEqual(['if ((a <= b)) c()', 'if ((a >= b)) c()'])
    expect(mutated('const d = a === b')).toEqual(['const d = (a !== b)'])
  })

  it('removes each operand of a logical expression', () => {
    expect(mutated('const a = b ?? c')).toEqual(['const a = (b)', 'const a = (c)'])
  })

  it('makes no mutant with an endless loop', () => {
    expect(mutated('while (more()) next()')).toEqual(['while (false) next()'])
    expect(mutated('for (;;) next()')).toEqual([])
  })
})

describe('the function choose', () => {
  it('returns the same items for the same seed, and each item at most once', () => {
    const items = Array.from({ length: 100 }, (_, index) => index)
    expect(choose(items, 10, 7)).toEqual(choose(items, 10, 7))
    expect(choose(items, 10, 7)).not.toEqual(choose(items, 10, 8))
    expect(choose(items, 200, 7).toSorted((left, right) => left - right)).toEqual(items)
    expect(choose(items, 20, 7).slice(0, 10)).toEqual(choose(items, 10, 7))
  })
})
