import { backlogTrial } from '@jobistemer/test-kit'
import { expect, it, onTestFinished } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { sqliteStorage } from '../src/index.ts'
import { makeScratch } from './scratch.ts'

it('a node runs all requests of one job’s backlog, and runs a later request of another job before the backlog ends', async () => {
  const { file, remove } = makeScratch()
  onTestFinished(remove)
  await expect(backlogTrial(() => sqliteStorage({ file }), byEffort(1000))).resolves.toBeDefined()
})
