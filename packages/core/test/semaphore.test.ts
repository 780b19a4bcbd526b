import { describe, expect, it } from 'vitest'
import { Semaphore } from '../src/engine/runtime/semaphore.ts'

/** Lets holders ask, and notes who has gone on. */
function asking(semaphore: Semaphore<string>) {
  const went: string[] = []
  const ask = async (...holders: readonly string[]) => {
    for (const holder of holders) {
      const room = semaphore.acquire(holder)
      if (room === null) went.push(holder)
      else void room.then(() => went.push(holder))
    }
    await settled()
  }
  return { went, ask }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('a semaphore', () => {
  it('gives its permits to holders in the order in which they ask', async () => {
    const semaphore = new Semaphore<string>(2)
    const { went, ask } = asking(semaphore)
    await ask('a', 'b', 'c', 'd')
    expect(went).toEqual(['a', 'b'])
    expect(semaphore.waiting).toBe(2)
    semaphore.release('b')
    // It comes back for the rest of its runs.
    await ask('b')
    expect(went).toEqual(['a', 'b', 'c'])
    semaphore.release('a')
    semaphore.release('c')
    await settled()
    expect(went).toEqual(['a', 'b', 'c', 'd', 'b'])
    expect(semaphore.waiting).toBe(0)
  })

  it('ignores a release by a holder that has no permit', async () => {
    const semaphore = new Semaphore<string>(2)
    const { went, ask } = asking(semaphore)
    await ask('a', 'b', 'c')
    semaphore.release('another')
    semaphore.release('a')
    semaphore.release('a')
    await ask('d')
    expect(went).toEqual(['a', 'b', 'c'])
  })

  it('lets all waiting holders continue when it is stopped', async () => {
    const semaphore = new Semaphore<string>(2)
    const { went, ask } = asking(semaphore)
    await ask('a', 'b', 'c')
    semaphore.stop()
    await ask('d')
    expect(went.toSorted()).toEqual(['a', 'b', 'c', 'd'])
  })
})
