import { clientTrial } from '@jobistemer/test-kit'
import { expect, inject, it } from 'vitest'
import { postgresStorage } from '../src/index.ts'
import { useSchemas } from './schemas.ts'

const { pool, schema: newSchema } = useSchemas()

it('a process without the code does each operation of a client on jobs of another process', async () => {
  const schema = newSchema()
  const module = new URL('./fixtures/connect.mjs', import.meta.url)
  const argument = { url: inject('postgres').url, schema }
  const connect = () => postgresStorage({ pool: pool(), schema })
  await expect(clientTrial({ module, argument, connect })).resolves.toBeUndefined()
})
