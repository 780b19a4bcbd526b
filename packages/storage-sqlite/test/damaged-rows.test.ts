import { damageTrial } from '@jobistemer/test-kit'
import { expect, it, onTestFinished } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { damage } from './damage.ts'
import { makeScratch } from './scratch.ts'

it.each(['garbage', 'null', '[]'])(
  'a node runs all readable jobs although other SQLite rows contain %s',
  async (text) => {
    const { file, remove } = makeScratch()
    onTestFinished(remove)
    const place = { connect: () => sqliteStorage({ file }), damage: damage.bind(null, file, '') }
    await expect(damageTrial(place, text)).resolves.toBeUndefined()
  },
)
