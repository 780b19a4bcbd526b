import { memoryStorage } from '@jobistemer/storage-memory'
import { expect, it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { backlogTrial } from '../src/index.ts'

it('a node runs a backlog of one job completely, and gives another job its turn', async () => {
  await expect(backlogTrial(() => memoryStorage(), byEffort(1000))).resolves.toBeDefined()
})
