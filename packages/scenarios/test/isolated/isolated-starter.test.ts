import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { behaves, isolatedScene, lastAttempt, resultOf } from '../support/isolated-scene.ts'
import { gone, parentOf, startersOf, stateOf } from '../support/living-process.ts'

const task = (kind: string, more: object = {}) => ({
  name: 'work',
  module: behaves,
  isolation: 'process' as const,
  data: { kind },
  killAfter: 1,
  ...more,
})

const pidOf = (said: string): number => Number(said.split(' ')[0])

describe('the starter process of a node', () => {
  it('starts all processes of isolated tasks, and ends with them at the shutdown of its node', async () => {
    const starts = task('starts', { killAfter: { minutes: 10 } })
    const { begin, scheduler } = await isolatedScene({ one: starts, other: starts })
    const pids: number[] = []
    for (const name of ['one', 'other']) pids.push(pidOf((await begin(name)).said))
    const [starter, second] = pids.map(parentOf) as [number, number]
    expect(parentOf(starter)).toBe(process.pid)
    expect(second).toBe(starter)
    await scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
    expect([...pids, starter].map(stateOf)).toEqual([null, null, null])
  })

  it('exists from the first attempt in a process to the shutdown of its node; a node with only thread tasks has none', async () => {
    const { run, scheduler } = await isolatedScene({ job: task('place') })
    expect(startersOf(process.pid)).toBe(0)
    await run('job')
    expect(startersOf(process.pid)).toBe(1)
    const threads = await isolatedScene({ job: { ...task('place'), isolation: 'thread' } })
    await threads.run('job')
    expect(startersOf(process.pid)).toBe(1)
    await scheduler.shutdown()
    expect(startersOf(process.pid)).toBe(0)
  })

  it('starts a child in the working directory of the node, or in its own if that directory was deleted', async () => {
    // Children with different environments are never reused for each other.
    const jobs = Object.fromEntries(
      ['first', 'second', 'third'].map((name) => [name, task('folder', { env: { name } })]),
    )
    const { run } = await isolatedScene(jobs)
    const folder = process.cwd()
    expect(resultOf(await run('first'))).toBe(folder)
    const other = await realpath(await mkdtemp(join(tmpdir(), 'jobistemer-')))
    onTestFinished(() => process.chdir(folder))
    process.chdir(other)
    expect(resultOf(await run('second'))).toBe(other)
    await rm(other, { recursive: true })
    expect(resultOf(await run('third'))).toBe(folder)
  })

  it('dies together with its child processes, so their attempts fail, and later attempts use a new starter', async () => {
    const { begin, run, scheduler } = await isolatedScene({
      loops: task('starts'),
      stopped: task('stopsItself'),
      job: task('place'),
    })
    const loops = await begin('loops')
    const stopped = await begin('stopped')
    const pids = [loops.said, stopped.said].map(pidOf) as [number, number]
    while (!stateOf(pids[1])?.startsWith('T')) await delay(10)
    const starter = parentOf(pids[0])
    process.kill(starter, 'SIGKILL')
    for (const { id } of [loops, stopped]) {
      const attempt = lastAttempt(await scheduler.waitFor(id))
      expect(attempt?.error).toMatchObject({
        code: 'CHILD_DIED',
        message: expect.stringContaining('signal SIGKILL'),
        cause: { message: expect.stringContaining('starter process of this node has ended: signal SIGKILL') },
      })
    }
    for (const pid of [...pids, starter]) await gone(pid)
    expect(resultOf(await run('job'))).toMatchObject({ attempts: 1 })
  })

  it('that SIGSTOP has stopped does not delay the end of a canceled run, and its child dies with it at the shutdown', async () => {
    const { begin, scheduler } = await isolatedScene({ job: task('starts') })
    const { id, said } = await begin('job')
    const pid = pidOf(said)
    const starter = parentOf(pid)
    process.kill(starter, 'SIGSTOP')
    await scheduler.cancel(id)
    expect((await scheduler.waitFor(id)).state).toBe('canceled')
    expect(stateOf(pid)).not.toBeNull()
    await scheduler.shutdown()
    await gone(pid)
    await gone(starter)
  })

  it('ignores SIGTERM and SIGINT, like its child processes, because only the node ends these processes', async () => {
    const { begin, scheduler } = await isolatedScene({ job: task('obeys', { killAfter: { minutes: 10 } }) })
    const place = await isolatedScene({ job: task('starts', { killAfter: { minutes: 10 } }) })
    const { id } = await begin('job')
    const looping = await place.begin('job')
    const pid = pidOf(looping.said)
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      for (const one of [pid, parentOf(pid)]) process.kill(one, signal)
    // Cancels another run, and waits for its end. A child that a signal had killed would end earlier. So if the child of
    // `looping` still lives afterwards, it has survived the signals.
    await scheduler.cancel(id)
    await scheduler.waitFor(id)
    expect((await place.scheduler.occurrence(looping.id)).state).toBe('running')
    expect(stateOf(pid)).not.toBeNull()
  })

  it('is not used for new child processes once the node process has dropped privileges: a second starter starts these processes', async () => {
    const { begin } = await isolatedScene({ before: task('starts'), after: task('starts') })
    const before = parentOf(pidOf((await begin('before')).said))
    const { getgroups } = process
    onTestFinished(() => void Object.assign(process, { getgroups }))
    // In some test environments, the process has no privileges to drop. So the test replaces `getgroups`. Because of the empty
    // list, the process seems to have dropped its groups.
    Object.assign(process, { getgroups: () => [] })
    const after = await begin('after')
    expect(parentOf(pidOf(after.said))).not.toBe(before)
    expect(stateOf(before)).not.toBeNull()
  })
})
