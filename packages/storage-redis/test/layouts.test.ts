import { describe, expect, it } from 'vitest'
import { allFields, defineLayout, readFields, tableFields, writeFields } from '../src/layout.ts'
import { formVersion } from '../src/check-server.ts'
import { headLayout, nodeLayout, recordLayout, spanBit, timesLayout, versionLayout } from '../src/layouts.ts'

const layout = defineLayout({ first: 'byte', second: 'uint32', third: 'number', last: 'id' })

describe('the layout of a stored record', () => {
  it('places its fields one after the other', () => {
    expect(layout.at).toEqual({ first: 0, second: 1, third: 5, last: 13 })
    expect(layout.end).toEqual({ first: 1, second: 5, third: 13, last: 29 })
    expect(layout.size).toBe(29)
  })

  it('generates Lua that reads the named fields and the fields between them', () => {
    expect(readFields(layout, 'text', allFields(layout))).toBe(
      "local first, second, third, last = read('<BI4dc16', text, 1)",
    )
    expect(readFields(layout, 'text', { second: 'two', last: 'four' })).toBe(
      "local two, _, four = read('<I4dc16', text, 2)",
    )
    expect(readFields(layout, 'items', { first: 'a', second: 'b' }, { place: 'at', next: 'next' })).toBe(
      "local a, b, next = read('<BI4', items, at)",
    )
    expect(readFields(layout, 'items', { third: 'c' }, { place: 'at' })).toBe("local c = read('<d', items, at + 5)")
  })

  it('generates Lua that writes adjacent fields', () => {
    expect(writeFields(layout, allFields(layout, 'r.'))).toBe("write('<BI4dc16', r.first, r.second, r.third, r.last)")
    expect(writeFields(layout, { second: '0', third: 'now' })).toBe("write('<I4d', 0, now)")
    expect(tableFields(layout)).toBe('first = first, second = second, third = third, last = last')
  })

  it('throws for a write with a gap between the fields, and for an unknown field', () => {
    expect(() => writeFields(layout, { first: '1', third: '3' })).toThrow('second')
    expect(() => readFields(layout, 'text', { first: 'a', fourth: 'b' } as never)).toThrow('fourth')
    expect(() => readFields(layout, 'text', {})).toThrow('first')
  })
})

// A change of an offset or code must raise `formVersion` and add a migration, because old data would be read wrongly.
it('the offsets and codes of stored Redis records are fixed for each version', () => {
  expect({
    version: formVersion,
    head: headLayout.at,
    record: recordLayout.at,
    sizes: [headLayout, recordLayout, timesLayout, versionLayout, nodeLayout].map(({ size }) => size),
    spanBit,
  }).toEqual({
    version: 1,
    head: {
      active: 0,
      running: 16,
      pending: 20,
      queued: 24,
      uses: 28,
      watermark: 32,
      nextAt: 40,
      delayed: 48,
      version: 52,
      pausedUntil: 56,
      policy: 64,
      floor: 65,
      taken: 73,
      deletedAt: 81,
      cancelsBelow: 89,
      startLimit: 93,
      maxQueued: 95,
      maxConcurrency: 103,
      startInterval: 105,
      startCount: 113,
    },
    record: {
      state: 0,
      token: 1,
      sequence: 5,
      finishedAt: 9,
      ownerSize: 17,
      detailsSize: 21,
      cancelSize: 25,
      reasonSize: 29,
      kind: 33,
      version: 34,
      job: 38,
      scheduledAt: 54,
      dueAt: 62,
      standing: 70,
      createdAt: 72,
      startedAt: 80,
      timeout: 88,
    },
    sizes: [115, 96, 16, 12, 8],
    spanBit: 8,
  })
})
