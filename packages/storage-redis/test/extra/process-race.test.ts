import { raceForSlots } from '@jobistemer/test-kit'
import { sharedRedis } from '@jobistemer/test-servers'
import { afterAll, beforeAll, it } from 'vitest'
import { byEffort } from '../../../workspace/test-effort.ts'
import { connect } from '../fixtures/connect.mjs'
import { newPrefix } from '../prefixes.ts'

const jobCount = 100
// Number of rounds in which eight processes race. The conformance kit has a similar race of four processes.
const rounds = byEffort(25)

let server: Awaited<ReturnType<typeof sharedRedis>>

beforeAll(async () => {
  server = await sharedRedis()
})

afterAll(async () => {
  await server.stop()
})

it(`eight processes race for ${jobCount * rounds} occurrences: each is created, started and finished exactly once`, async () => {
  const argument = { url: server.url, prefix: newPrefix() }
  const storage = connect(argument)
  const module = new URL('../fixtures/connect.mjs', import.meta.url)
  await raceForSlots({ storage, module, argument, jobCount, rounds })
  await storage.close()
})
