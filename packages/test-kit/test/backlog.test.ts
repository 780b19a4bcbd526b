import { memoryStorage } from '@jobistemer/storage-memory'
import { expect, it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { backlogTrial } from '../src/index.ts'

it('a node runs all requests of one job’s backlog, and runs a later request of another job before the backlog ends', async () => {
  await expect(backlogTrial(() => memoryStorage(), byEffort(1000))).resolves.toBeDefined()
})
