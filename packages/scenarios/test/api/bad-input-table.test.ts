import { defineJob, JobistemerError, type Scheduler } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { memory } from '../support/places.ts'
import { type EntryPoint, entryPoints } from '../support/public-options.ts'
import { createWorld } from '../support/world.ts'
import { type WrongValue, wrongValuesOf } from '../support/wrong-values.ts'

interface Case extends WrongValue {
  readonly path: string
  /** Whether the wrong value may contain a password. If so, the error must not repeat the value. */
  readonly isSecret: boolean
}

const casesOf = ({ options, secrets = [] }: EntryPoint): Case[] =>
  Object.entries(options).flatMap(([path, kind]) =>
    wrongValuesOf(kind).map((wrong) => ({ path, isSecret: secrets.includes(path), ...wrong })),
  )

/** Returns all stored records of jobs and occurrences as text. */
async function ledgerOf(storage: Storage): Promise<string> {
  const jobs = await storage.listJobs({ limit: 100, cursor: null })
  const occurrences = await Promise.all(
    jobs.items.map(({ id: jobId }) =>
      storage.listOccurrences({ kind: 'job', jobId, order: 'ascending', runs: true, limit: 100, cursor: null }),
    ),
  )
  return JSON.stringify([jobs.items, occurrences.map(({ items }) => items)])
}

/** Calls the tested function with a wrong value. Returns what is wrong with its error; `null` if the error is correct. */
async function complaintAbout(call: () => unknown, { path, what, value, isSecret }: Case): Promise<string | null> {
  const where = `${path}: ${what}`
  let error: unknown
  try {
    await call()
    return `${where} was accepted`
  } catch (refusal) {
    error = refusal
  }
  if (!JobistemerError.isInstance(error)) return `${where}: ${String(error)}`
  const { field, remedy, message, code } = error
  const isNear =
    field?.startsWith(path) ||
    field?.endsWith(`.${path}`) ||
    path.startsWith(`${field}.`) ||
    path.startsWith(`${field}[`)
  // If an object has a wrong member, the error may name that member instead of the object.
  const isMember = field !== undefined && typeof value === 'object' && value !== null && field in value
  if (!isNear && !isMember) return `${where}: names ${field}: ${message}`
  if (field === path && !isSecret && code !== 'DATA_TOO_LARGE' && !Object.is(error.value, value)) {
    return `${where}: another value: ${message}`
  }
  if (remedy === undefined || remedy.length < 10) return `${where}: no remedy: ${message}`
  return message.length > 2000 ? `${where}: ${message.length} characters` : null
}

describe('each wrong value of each public option is rejected with a code, the field, the value and a remedy', () => {
  it.each(entryPoints.map((entry) => [entry.name, entry] as const))('for the options of %s', async (_, entry) => {
    const world = createWorld(memory)
    const storage = world.connect()
    const job = defineJob({ name: 'a', schedule: everySeconds(10), tasks: [{ name: 'work', run: () => 1 }] })
    const scheduler: Scheduler = await world.start({ jobs: [job], storage })
    await world.clock.advance({ seconds: 12 })
    const before = await ledgerOf(storage)
    expect(before).toContain('completed')
    const complaints: string[] = []
    for (const one of casesOf(entry)) {
      const complaint = await complaintAbout(() => entry.call(one.path, one.value, scheduler), one)
      if (complaint !== null) complaints.push(complaint)
    }
    expect(complaints).toEqual([])
    expect(await ledgerOf(storage)).toBe(before)
  })

  it('the table of wrong values has more than 1,000 cases', () => {
    const count = entryPoints.reduce((sum, entry) => sum + casesOf(entry).length, 0)
    expect(count).toBeGreaterThan(1000)
  })
})
