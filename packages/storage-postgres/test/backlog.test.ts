import { backlogTrial } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { byEffort } from '../../workspace/test-effort.ts'
import { postgresStorage } from '../src/index.ts'
import { useSchemas } from './schemas.ts'

const { pool, schema: newSchema } = useSchemas()

it('nodes run all waiting requests of one job, and another job gets its turn meanwhile', async () => {
  const schema = newSchema()
  await expect(backlogTrial(() => postgresStorage({ pool: pool(), schema }), byEffort(1000))).resolves.toBeDefined()
})
