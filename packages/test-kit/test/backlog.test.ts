import { memoryStorage } from '@jobistemer/storage-memory'
import { expect, it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { backlogTrial } from '../src/index.ts'

it('many requests wait for one job, all of them run, and another job has its turn', async () => {
  await expect(backlogTrial(() => memoryStorage(), byEffort(1000))).resolves.toBeDefined()
})
