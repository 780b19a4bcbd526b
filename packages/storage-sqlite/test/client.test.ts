import { clientTrial } from '@jobistemer/test-kit'
import { expect, it, onTestFinished } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { makeScratch } from './scratch.ts'

it('a client without code performs every operation on jobs that another process runs', async () => {
  const { file, remove } = makeScratch()
  onTestFinished(remove)
  const module = new URL('./fixtures/connect.mjs', import.meta.url)
  await expect(
    clientTrial({ module, argument: { file }, connect: () => sqliteStorage({ file }) }),
  ).resolves.toBeUndefined()
})
