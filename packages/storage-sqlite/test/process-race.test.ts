import { raceForSlots } from '@jobistemer/test-kit'
import { afterEach, beforeEach, it } from 'vitest'
import { byEffort, isThorough } from '../../workspace/test-effort.ts'
import { sqliteStorage } from '../src/index.ts'
import { makeScratch, type Scratch } from './scratch.ts'

const jobCount = 100
// The conformance kit races four processes; this test repeats the race with more rounds.
const rounds = isThorough ? byEffort(25) : 5

let scratch: Scratch

beforeEach(() => {
  scratch = makeScratch()
})

afterEach(() => scratch.remove())

it(`eight processes race for ${jobCount * rounds} occurrences: each is created, started and finished exactly once`, async () => {
  const storage = sqliteStorage({ file: scratch.file })
  const module = new URL('./fixtures/connect.mjs', import.meta.url)
  await raceForSlots({ storage, module, argument: { file: scratch.file }, jobCount, rounds })
  await storage.close()
})
