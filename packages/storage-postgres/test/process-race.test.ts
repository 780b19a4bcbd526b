import { raceForSlots } from '@jobistemer/test-kit'
import { inject, it } from 'vitest'
import { byEffort, isThorough } from '../../workspace/test-effort.ts'
import { useSchemas } from './schemas.ts'

const { open, pool, schema: newSchema } = useSchemas()

const jobCount = 100
// The conformance kit races four processes; this test repeats the race with more rounds.
const rounds = isThorough ? byEffort(20) : 4

it(`eight processes race for ${jobCount * rounds} occurrences: each is created, started and finished exactly once`, {
  timeout: 300_000,
}, async () => {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema })
  const module = new URL('./fixtures/connect.mjs', import.meta.url)
  const argument = { url: inject('postgres').url, schema, wakeUps: false }
  await raceForSlots({ storage, module, argument, jobCount, rounds })
})
