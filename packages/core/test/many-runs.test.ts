import { describe, expect, it } from 'vitest'
import { ManyRuns } from '../src/engine/recovery/many-runs.ts'

/** Lets holders ask, and notes who has gone on. */
function asking(many: ManyRuns<string>) {
  const went: string[] = []
  const ask = async (...holders: readonly string[]) => {
    for (const holder of holders) {
      const room = many.take(holder)
      if (room === null) went.push(holder)
      else void room.then(() => went.push(holder))
    }
    await settled()
  }
  return { went, ask }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('decisions of many runs', () => {
  it('are made two at a time, in the order in which they ask', async () => {
    const many = new ManyRuns<string>()
    const { went, ask } = asking(many)
    await ask('a', 'b', 'c', 'd')
    expect(went).toEqual(['a', 'b'])
    expect(many.waiting).toBe(2)
    many.letGo('b')
    // It comes back for the rest of its runs.
    await ask('b')
    expect(went).toEqual(['a', 'b', 'c'])
    many.letGo('a')
    many.letGo('c')
    await settled()
    expect(went).toEqual(['a', 'b', 'c', 'd', 'b'])
    expect(many.waiting).toBe(0)
  })

  it('give nothing back that they do not hold', async () => {
    const many = new ManyRuns<string>()
    const { went, ask } = asking(many)
    await ask('a', 'b', 'c')
    many.letGo('another')
    many.letGo('a')
    many.letGo('a')
    await ask('d')
    expect(went).toEqual(['a', 'b', 'c'])
  })

  it('do not wait once all is stopped', async () => {
    const many = new ManyRuns<string>()
    const { went, ask } = asking(many)
    await ask('a', 'b', 'c')
    many.stop()
    await ask('d')
    expect(went.toSorted()).toEqual(['a', 'b', 'c', 'd'])
  })
})
