import { raceForSlots } from '@jobistemer/test-kit'
import { afterEach, beforeEach, it } from 'vitest'
import { byEffort } from '../../../workspace/test-effort.ts'
import { sqliteStorage } from '../../src/index.ts'
import { makeScratch, type Scratch } from '../scratch.ts'

const jobCount = 100
// Number of rounds in which eight processes race. The conformance kit has a similar race of four processes.
const rounds = byEffort(25)

let scratch: Scratch

beforeEach(() => {
  scratch = makeScratch()
})

afterEach(() => scratch.remove())

it(`eight processes race for ${jobCount * rounds} occurrences: each is created, started and finished exactly once`, async () => {
  const storage = sqliteStorage({ file: scratch.file })
  const module = new URL('../fixtures/connect.mjs', import.meta.url)
  await raceForSlots({ storage, module, argument: { file: scratch.file }, jobCount, rounds })
  await storage.close()
})
