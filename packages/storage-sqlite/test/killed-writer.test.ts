import type { OccurrenceRecord } from '@jobistemer/core/storage'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { addJob, Child, minute, slotAt, slotItem, start } from '@jobistemer/test-kit'
import { makeScratch, type Scratch } from './scratch.ts'
import { isThorough } from '../../workspace/test-effort.ts'

/** Number of kills. Each kill needs a new process, which takes most of the test's time. */
const rounds = isThorough ? 20 : 4
const jobCount = 5

let scratch: Scratch
let child: Child | null = null

beforeEach(() => {
  scratch = makeScratch()
})

afterEach(async () => {
  await child?.kill()
  scratch.remove()
})

interface Said {
  readonly index: number
  readonly step: 'created' | 'finished'
}

it(`no acknowledged write is lost if the writing process is killed at ${rounds} different moments`, async () => {
  const storage = sqliteStorage({ file: scratch.file })
  const jobs: OccurrenceRecord['jobId'][] = []
  for (let index = 0; index < jobCount; index++) jobs.push((await addJob(storage, `job-${index}`, 'allow')).id)
  await storage.close()

  const acknowledged = new Map<number, Said['step']>()
  let from = 1
  for (let round = 0; round < rounds; round++) {
    const module = new URL('./fixtures/writer-child.mjs', import.meta.url)
    child = new Child(module, { file: scratch.file, jobs, from, start, periodMs: minute })
    const note = (message: unknown) => {
      const { index, step } = message as Said
      acknowledged.set(index, step)
      from = index
    }
    child.process.on('message', note)
    // The child reports each step. After this number of reports, the test kills the child, which is then somewhere in
    // its next step.
    for (let steps = 0; steps <= (round * 7) % 23; steps++) await child.next()
    await child.kill()

    const database = new Database(scratch.file)
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
    const survivor = sqliteStorage({ database })
    for (const [index, step] of acknowledged) {
      const ids = jobs.map((job) => slotItem(job, index).id)
      const { occurrences } = await survivor.get({ occurrences: ids })
      const states = occurrences.map((record) => record?.state)
      // If the child has reported only `created`, it may nevertheless have completed some of the created occurrences just
      // before the kill.
      if (step === 'finished') expect(states).toEqual(Array(jobCount).fill('completed'))
      else expect(states.every((state) => state === 'running' || state === 'completed')).toBe(true)
    }
    const heads = (await survivor.get({ jobs })).jobs
    for (const head of heads) expect(head?.watermark).toBeGreaterThanOrEqual(slotAt(from))
    await survivor.close()
    database.close()
  }
  expect(acknowledged.size).toBeGreaterThan(rounds)
})
