import { backlogTrial } from '@jobistemer/test-kit'
import { expect, it, onTestFinished } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { sqliteStorage } from '../src/index.ts'
import { makeScratch } from './scratch.ts'

it('nodes run all waiting requests of one job, and another job gets its turn meanwhile', async () => {
  const { file, remove } = makeScratch()
  onTestFinished(remove)
  await expect(backlogTrial(() => sqliteStorage({ file }), byEffort(1000))).resolves.toBeDefined()
})
