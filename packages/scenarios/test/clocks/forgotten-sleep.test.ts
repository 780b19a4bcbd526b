import { expect, it } from 'vitest'
import { Child } from '../support/child-process.ts'
import { behaves } from '../support/isolated-scene.ts'

it.each(['none', 'thread', 'process'])(
  "a handler's `sleep` without `await` does not keep the process alive (isolation %s)",
  async (isolation) => {
    const node = new Child(new URL('../fixtures/forgetful-node.mjs', import.meta.url), {
      isolation,
      module: behaves.href,
    })
    expect(await node.next()).toBe('done')
    // Exit code 0 also proves that the process had no unhandled rejection.
    expect(await node.ended).toEqual({ code: 0, signal: null })
  },
)
