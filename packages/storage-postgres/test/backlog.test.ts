import { backlogTrial } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { postgresStorage } from '../src/index.ts'
import { useSchemas } from './schemas.ts'

const { pool, schema: newSchema } = useSchemas()

it('a node runs all requests of one job’s backlog, and runs a later request of another job before the backlog ends', async () => {
  const schema = newSchema()
  await expect(backlogTrial(() => postgresStorage({ pool: pool(), schema }), byEffort(1000))).resolves.toBeDefined()
})
