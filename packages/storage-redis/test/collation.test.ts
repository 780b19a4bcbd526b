import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JobRecord, Page, Storage } from '@jobistemer/core/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { useServers } from './servers.ts'

// Lua compares texts by the locale of the Redis server, which is usually the locale of the system. So this test starts
// a server with the locale en_US, in which the order of texts differs from the order of their bytes. `localedef`
// compiles this locale.

const localedef = '/usr/bin/localedef'
const canMakeLocale = existsSync(localedef) && existsSync('/usr/share/i18n/locales/en_US')

const { start, open } = useServers()
const before = process.env.LOCPATH
let locales: string

beforeAll(() => {
  locales = mkdtempSync(join(tmpdir(), 'jobistemer-locales-'))
  if (canMakeLocale) execFileSync(localedef, ['-i', 'en_US', '-f', 'UTF-8', join(locales, 'en_US.UTF-8')])
  process.env.LOCPATH = locales
})

afterAll(() => {
  if (before === undefined) delete process.env.LOCPATH
  else process.env.LOCPATH = before
  rmSync(locales, { recursive: true, force: true })
})

async function listAll(storage: Storage, query: { readonly changedSince?: number }): Promise<readonly string[]> {
  const ids: string[] = []
  let cursor: string | null = null
  do {
    const page: Page<JobRecord> = await storage.listJobs({ limit: 7, cursor, ...query })
    ids.push(...page.items.map(({ id }) => id))
    cursor = page.cursor
  } while (cursor !== null)
  return ids
}

const reason = canMakeLocale ? '' : ' (skipped: this system has no localedef with the sources of en_US)'

describe.skipIf(!canMakeLocale)(`a Redis server that sorts texts by a locale${reason}`, () => {
  it('the Redis storage lists all jobs in order, and claims the oldest occurrences, although the server sorts texts by a locale', async () => {
    const server = await start({ 'locale-collate': 'en_US.UTF-8' })
    const storage = open({ url: server.url, shards: 3 })
    const jobs: JobRecord[] = []
    for (let index = 0; index < 60; index++) jobs.push(await addJob(storage, `job-${index}`))
    const ids = jobs.map(({ id }) => id).sort()
    expect(await listAll(storage, {})).toEqual(ids)
    expect(await listAll(storage, { changedSince: slotAt(0) })).toEqual(ids)

    const items = jobs.map(({ id }) => ({ ...slotItem(id, 1), runs: null }))
    await storage.createOccurrences({ now: slotAt(1), owner, items })
    const claimed: string[] = []
    for (let more = true; more; ) {
      const answer = await storage.claim({ now: slotAt(1), owner, limit: 7, exceptHandlerKeys: [], sweep: false })
      expect(answer.claimed.length).toBe(Math.min(7, 60 - claimed.length))
      claimed.push(...answer.claimed.map(({ id }) => id))
      more = answer.more
    }
    expect(claimed).toEqual(items.map(({ id }) => id).sort())
  })

  it('a list of jobs in Redis continues after a page whose last job was deleted meanwhile', async () => {
    const server = await start({ 'locale-collate': 'en_US.UTF-8' })
    const storage = open({ url: server.url })
    const jobs: JobRecord[] = []
    for (let index = 0; index < 30; index++) jobs.push(await addJob(storage, `job-${index}`))
    const items = jobs.map(({ id }) => ({ ...slotItem(id, 1), runs: null }))
    await storage.createOccurrences({ now: slotAt(1), owner, items })
    const listed: string[] = []
    let cursor: string | null = null
    do {
      const query = { kind: 'live', state: 'pending', limit: 1, cursor, runs: false } as const
      const page: Awaited<ReturnType<Storage['listOccurrences']>> = await storage.listOccurrences(query)
      for (const { id, jobId, scheduledAt } of page.items) {
        listed.push(id)
        const item = { id, jobId, scheduledAt, reason: 'stop', actor: null, mode: 'force' } as const
        await storage.cancel({ now: slotAt(1), items: [item] })
      }
      cursor = page.cursor
    } while (cursor !== null)
    expect(listed).toEqual(items.map(({ id }) => id).sort())
  })
})
