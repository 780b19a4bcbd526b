import { expect, it, vi } from 'vitest'
import { BoundedTalk } from '../src/isolated/bounded-talk.ts'
import type { FromChild, ParentLink } from '../src/isolated/messages.ts'

it('the last of 10,000 reports of progress in a row is sent, although the handler reports nothing afterwards', async () => {
  const sent: FromChild[] = []
  const talk = new BoundedTalk({ post: (message: FromChild) => sent.push(message) } as unknown as ParentLink, 1)
  for (let step = 1; step <= 10_000; step++) talk.progress(step / 10_000, null)
  expect(sent.length).toBeLessThan(10_000)
  await vi.waitFor(() => expect(sent.at(-1)).toMatchObject({ kind: 'progress', fraction: 1 }), { timeout: 30_000 })
})
