import type { PauseRecord } from '@jobistemer/core/storage'
import { addJob, owner, slotAt, triggerItem } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { newPrefix, quiet } from './prefixes.ts'
import { useServers } from './servers.ts'

const servers = useServers()
const now = slotAt(2)
const count = 200

/** Returns the number of commands that the server has run, including those of scripts. */
async function commandsOf(client: ReturnType<typeof servers.client>): Promise<number> {
  const stats = await client.info('commandstats')
  return [...stats.matchAll(/^cmdstat_.*?calls=(\d+)/gm)].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

const until = { at: slotAt(1), actor: null, reason: null, until: slotAt(9) }
const pauses: Readonly<Record<string, PauseRecord | null>> = {
  'a job that is not paused': null,
  'a job that is paused': { at: slotAt(1), actor: null, reason: null },
  'a job that is paused for some time': until,
}

it.each(Object.keys(pauses))('many requests for %s are stored with few Redis commands', async (name) => {
  const server = await servers.start()
  const prefix = newPrefix()
  const storage = servers.open({ url: server.url, prefix, logger: quiet })
  const client = servers.client(server.url)
  const { id } = await addJob(storage, 'asked', 'allow')
  const paused = pauses[name] ?? null
  if (paused !== null) await storage.saveJobs({ now: slotAt(1), changes: [{ kind: 'pause', id, paused }] })
  const request = (from: number) => {
    const items = Array.from({ length: count }, (_, key) => ({ ...triggerItem(id, from + key, now), runs: null }))
    return storage.createOccurrences({ now, owner, items })
  }
  // The first request makes the server cache the script, so that the measurement of the next request does not include
  // this work.
  await request(0)
  const before = await commandsOf(client)
  const answers = await request(count)
  const commands = (await commandsOf(client)) - before
  expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(['created']))
  expect(commands).toBeLessThan(count / 2)
  // An occurrence of a job that is paused without an end is in no index by time.
  expect(await client.zcard(`{${prefix}:0}:future`)).toBe(paused?.until === undefined ? 0 : 2 * count)
  // Returns the answer of a claim that could take all requests. While the job is paused, this claim takes none of them.
  const claim = (at: number) => storage.claim({ now: at, owner, limit: 5 * count, exceptHandlerKeys: [], sweep: false })
  const isOpen = paused === null
  const early = await claim(now)
  expect(early.claimed).toHaveLength(isOpen ? 2 * count : 0)
  expect(early.nextDueAt).toBe(paused?.until ?? null)
  if (paused !== null && paused.until === undefined) {
    await storage.saveJobs({ now: slotAt(8), changes: [{ kind: 'pause', id, paused: null }] })
  }
  expect((await claim(slotAt(9))).claimed).toHaveLength(isOpen ? 0 : 2 * count)
})
