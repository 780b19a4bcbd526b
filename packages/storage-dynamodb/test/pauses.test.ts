import { expect, it, vi } from 'vitest'

/** As another process has it. */
async function loadJitter(): Promise<() => number> {
  vi.resetModules()
  const { jitter } = await import('../src/pauses.ts')
  return jitter
}

it('two processes use different random pauses, even with the same process id', async () => {
  const [one, another] = [await loadJitter(), await loadJitter()]
  const take = (jitter: () => number) => Array.from({ length: 3 }, jitter)
  expect(take(one)).not.toEqual(take(another))
})
