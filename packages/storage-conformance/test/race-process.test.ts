import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { RaceProcess, raceProcesses } from '../src/races/race-process.ts'
import type { CaseWorld } from '../src/index.ts'

/**
 * Returns functions that start races and read their log file. Each child process writes its process id to this file.
 */
function world() {
  const folder = mkdtempSync(join(tmpdir(), 'race-process-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'processes')
  const at = (fails: boolean): Pick<CaseWorld, 'processes'> => ({
    processes: { module: new URL('./served/noting-connect.mjs', import.meta.url), argument: { file, fails } },
  })
  const race = (fails = false) =>
    raceProcesses(at(fails) as CaseWorld, 'claim', [
      { node: 'a', now: 0 },
      { node: 'b', now: 0 },
    ])
  const start = () => new RaceProcess(at(false) as CaseWorld, 'claim', { node: 'c', now: 0 })
  return { race, start, seen: () => readFileSync(file, 'utf8').trim().split('\n') }
}

it('a child process that has finished its part in one race takes part in the next race too', async () => {
  const { race, seen } = world()
  expect(await race()).toEqual([[], []])
  expect(await race()).toEqual([[], []])
  const [a, b, ...next] = seen()
  expect(a).not.toBe(b)
  expect(next.sort()).toEqual([a, b].sort())
})

it('a child process that has failed or was killed takes part in no later race test', async () => {
  const { race, start, seen } = world()
  await expect(race(true)).rejects.toThrow('a child process of a race failed: Error: cannot connect')
  await race()
  // Ignores the lines of children that fail. As soon as one child fails, the race ends. So the other child may or may not have
  // written a line.
  const racers = seen().filter((line) => !line.endsWith(' fails'))
  expect(racers).toHaveLength(2)
  const killed = start()
  await killed.ready()
  killed.kill()
  await killed.gone()
  await expect(killed.result()).rejects.toThrow('a child process of a race ended with SIGKILL')
  const gone = seen().at(-1)
  expect(racers).toContain(gone)
  await race()
  const last = seen().slice(-2)
  expect(last).not.toContain(gone)
  const failed = seen().flatMap((line) => (line.endsWith(' fails') ? [line.split(' ')[0]] : []))
  expect(failed.filter((process) => last.includes(process as string))).toEqual([])
})

it('a child process that was ended after 5 s without work takes part in no later race test', async () => {
  const { race, seen } = world()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  await race()
  vi.advanceTimersByTime(5000)
  await race()
  expect(new Set(seen()).size).toBe(4)
})
