import { raceForSlots } from '@jobistemer/test-kit'
import { inject, it } from 'vitest'
import { byEffort } from '../../../workspace/test-effort.ts'
import { useSchemas } from '../schemas.ts'

const { open, pool, schema: newSchema } = useSchemas()

const jobCount = 100
// Number of rounds in which eight processes race. The conformance kit has a similar race of four processes.
const rounds = byEffort(20)

it(`eight processes race for ${jobCount * rounds} occurrences: each is created, started and finished exactly once`, {
  timeout: 300_000,
}, async () => {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema })
  const module = new URL('../fixtures/connect.mjs', import.meta.url)
  const argument = { url: inject('postgres').url, schema, wakeUps: false }
  await raceForSlots({ storage, module, argument, jobCount, rounds })
})
