import { damageTrial } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { postgresStorage } from '../src/index.ts'
import { damageStatements } from './damage.ts'
import { useSchemas } from './schemas.ts'
import { isThorough } from '../../workspace/test-effort.ts'

const { pool, query, schema: newSchema } = useSchemas()

// The conformance kit tests the storage with each of these texts.
it.each(isThorough ? ['garbage', 'null', '[]'] : ['null'])(
  'a node runs all readable jobs although other PostgreSQL rows contain %s',
  async (text) => {
    const schema = newSchema()
    const place = {
      connect: () => postgresStorage({ pool: pool(), schema }),
      damage: async (damaged: Parameters<typeof damageStatements>[1]) => {
        for (const statement of damageStatements(schema, damaged)) await query(statement)
      },
    }
    await expect(damageTrial(place, text)).resolves.toBeUndefined()
  },
)
