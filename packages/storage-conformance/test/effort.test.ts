import { describe, expect, it } from 'vitest'
import { resolveEffort, rounds } from '../src/effort.ts'

describe('the effort of the conformance kit', () => {
  it('has scale 1 and three seeds by default', () => {
    expect(resolveEffort({}, {})).toEqual({ scale: 1, seeds: [1, 2, 3] })
  })

  it('is taken from the options', () => {
    expect(resolveEffort({ scale: 4, seeds: [9] }, {})).toEqual({ scale: 4, seeds: [9] })
  })

  it('is overridden by environment variables, so that a failing seed can be run again', () => {
    const environment = { JOBISTEMER_CONFORMANCE_SEED: '42,43', JOBISTEMER_CONFORMANCE_SCALE: '0.5' }
    expect(resolveEffort({ scale: 4, seeds: [9] }, environment)).toEqual({ scale: 0.5, seeds: [42, 43] })
  })

  it.each(['0', '-1', 'many'])('refuses the scale %j of the environment variable', (scale) => {
    expect(() => resolveEffort({}, { JOBISTEMER_CONFORMANCE_SCALE: scale })).toThrow(/JOBISTEMER_CONFORMANCE_SCALE/)
  })

  it.each(['', 'many', '1,,2', '1.5'])('refuses the seeds %j of the environment variable', (seeds) => {
    expect(() => resolveEffort({}, { JOBISTEMER_CONFORMANCE_SEED: seeds })).toThrow(/JOBISTEMER_CONFORMANCE_SEED/)
  })

  it('gives each randomized case at least one round, however low the scale is', () => {
    expect(rounds(5, { scale: 0.01, seeds: [] })).toBe(1)
    expect(rounds(5, { scale: 3, seeds: [] })).toBe(15)
  })
})
