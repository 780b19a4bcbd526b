import { defineJob, type JobSettingsInput, type Scheduler, type TaskContext } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'

interface Node {
  readonly scheduler: Scheduler
  /** The steps of the node's handlers, for example `'60 starts with token 1'`. */
  readonly log: string[]
}

/**
 * Starts a node with a job that has a slot each minute up to 15 minutes. A run takes 30 seconds, plus the time for which its
 * node is frozen.
 */
async function startNode(
  world: World,
  nodeId: string,
  settings: JobSettingsInput = {},
  storage: Storage = world.connect(),
): Promise<Node> {
  const log: string[] = []
  const run = async ({ scheduledAt, fencingToken, signal }: TaskContext) => {
    const slot = secondsOf(scheduledAt)
    log.push(`${slot} starts with token ${fencingToken}`)
    signal.addEventListener('abort', () => log.push(`${slot} is aborted: ${signal.reason.code}`))
    await world.clock.sleep({ seconds: 30 })
    await world.awake(scheduler)
    log.push(`${slot} ends`)
    return nodeId
  }
  const job = defineJob({
    name: 'minutely',
    schedule: everySeconds(60, +at(900)),
    executionTimeout: { minutes: 2 },
    onInterrupted: 'fail',
    ...settings,
    tasks: [{ name: 'work', run }],
  })
  const scheduler = world.scheduler({ jobs: [job], nodeId, storage })
  const starting = scheduler.start()
  await world.clock.settle()
  await starting
  return { scheduler, log }
}

const starts = (...nodes: readonly Node[]) =>
  nodes
    .flatMap(({ log }) => log.filter((line) => line.includes('starts')))
    .sort((left, right) => Number.parseInt(left, 10) - Number.parseInt(right, 10))

const monotonic = ['ran on', 'stood still'] as const

describe.each(everywhere)('on the storage $name', (place) => {
  it("a node that was frozen past the execution timeout of a run does not retry the run's task", async () => {
    const world = createWorld(place)
    const called: number[] = []
    const job = defineJob({
      name: 'failing',
      schedule: everySeconds(60, +at(60)),
      executionTimeout: { minutes: 2 },
      retryPolicy: { maxRetries: 3, retryInterval: { seconds: 10 } },
      tasks: [
        {
          name: 'work',
          run: () => {
            called.push(secondsOf(world.clock.now()))
            throw new Error('no')
          },
        },
      ],
    })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 65 })
    world.freeze(scheduler)
    await world.clock.advanceTo(at(665))
    await world.thaw(scheduler, 'ran on')
    await world.clock.advance({ minutes: 5 })
    expect(called).toEqual([60])
    expect(await fates(scheduler, 'failing')).toEqual(['60 failed execution_timeout'])
  })

  describe.each(monotonic)(
    'a node that is frozen for ten minutes during a run, and whose monotonic clock %s,',
    (clock) => {
      it('loses its run to a reap by another node, and then shares the slots with that node', async () => {
        const world = createWorld(place)
        const first = await startNode(world, 'first')
        const lost = listen(first.scheduler, 'occurrence.lost', 'occurrence.finished')
        await world.clock.advance({ seconds: 65 })
        const second = await startNode(world, 'second')
        const reaped = listen(second.scheduler, 'occurrence.reaped')
        world.freeze(first.scheduler)
        await world.clock.advanceTo(at(665))
        expect(reaped.map(({ event }) => [event.action, event.reason])).toEqual([['fail', 'execution_timeout']])
        expect(first.log).toEqual(['60 starts with token 1'])
        await world.thaw(first.scheduler, clock)
        await world.clock.advanceTo(at(1200))
        expect(first.log.slice(0, 3)).toContain('60 ends')
        expect(lost.filter(({ name }) => name === 'occurrence.lost')).toMatchObject([{ event: { fencingToken: 1 } }])
        const slots = [60, 240, 300, 360, 420, 480, 540, 600, 660, 720, 780, 840, 900]
        expect(starts(first, second)).toEqual(slots.map((slot) => `${slot} starts with token 1`))
        expect(await fates(second.scheduler, 'minutely')).toEqual([
          '60 failed_stale execution_timeout',
          '120 skipped overlap',
          '180 skipped overlap',
          ...slots.slice(1).map((slot) => `${slot} completed`),
        ])
      })

      it('loses its run to another node under onInterrupted retry, and cannot store its own result', async () => {
        const world = createWorld(place)
        const first = await startNode(world, 'first', { onInterrupted: 'retry', overlapPolicy: 'queue' })
        await world.clock.advance({ seconds: 65 })
        const second = await startNode(world, 'second', { onInterrupted: 'retry', overlapPolicy: 'queue' })
        world.freeze(first.scheduler)
        await world.clock.advanceTo(at(665))
        await world.thaw(first.scheduler, clock)
        await world.clock.advanceTo(at(1500))
        const [occurrence, ...others] = (await second.scheduler.occurrences({ job: 'minutely' })).items
        expect(occurrence).toMatchObject({ state: 'completed', node: 'second', fencingToken: 2 })
        expect(occurrence?.tasks[0]?.result).toBe('second')
        expect(occurrence?.tasks[0]?.attempts.map((attempt) => attempt.state)).toEqual(['lost', 'succeeded'])
        expect(others.map((one) => [secondsOf(one.scheduledAt), one.state])).toEqual(
          Array.from({ length: 14 }, (_, index) => [120 + 60 * index, 'completed']),
        )
        expect(starts(first, second).filter((line) => line.startsWith('60 '))).toEqual([
          '60 starts with token 1',
          '60 starts with token 2',
        ])
        expect(new Set(starts(first, second)).size).toBe(16)
      })

      it('recovers its missed slots if no other node lives', async () => {
        const world = createWorld(place)
        const node = await startNode(world, 'only', { overlapPolicy: 'queue' })
        const decided = listen(node.scheduler, 'recovery.decided')
        await world.clock.advance({ seconds: 65 })
        world.freeze(node.scheduler)
        await world.clock.advanceTo(at(665))
        expect(node.log).toEqual(['60 starts with token 1'])
        await world.thaw(node.scheduler, clock)
        await world.clock.advanceTo(at(1200))
        expect(decided.map(({ event }) => [event.from, event.to, event.missed, event.toRun])).toEqual([
          [at(120), at(600), 9, 1],
        ])
        const all = await fates(node.scheduler, 'minutely')
        expect(all.slice(1)).toEqual([
          '120-540 (8) missed execute_last',
          ...[600, 660, 720, 780, 840, 900].map((slot) => `${slot} completed`),
        ])
        expect(all[0]).toBe('60 completed')
      })

      it('keeps its run if the other node was frozen at the same time', async () => {
        const world = createWorld(place)
        const first = await startNode(world, 'first')
        await world.clock.advance({ seconds: 65 })
        const second = await startNode(world, 'second')
        const reaped = listen(second.scheduler, 'occurrence.reaped')
        world.freeze(first.scheduler)
        world.freeze(second.scheduler)
        await world.clock.advanceTo(at(665))
        await world.thaw(second.scheduler, clock)
        await world.thaw(first.scheduler, clock)
        await world.clock.advanceTo(at(1200))
        expect(reaped).toEqual([])
        expect((await fates(second.scheduler, 'minutely'))[0]).toBe('60 completed')
        expect(new Set(starts(first, second)).size).toBe(starts(first, second).length)
      })

      it('does not call the handler of a slot that it created just before the freeze, because the run’s deadline passed in the freeze', async () => {
        const world = createWorld(place)
        const intercepted = new InterceptedStorage(world.connect())
        const first = await startNode(world, 'first', {}, intercepted.storage)
        let isFirstCreate = true
        intercepted.intercept = async ({ operation, proceed }) => {
          const answer = await proceed()
          if (operation === 'createOccurrences' && isFirstCreate) {
            isFirstCreate = false
            world.freeze(first.scheduler)
          }
          return answer
        }
        await world.clock.advance({ seconds: 65 })
        const second = await startNode(world, 'second')
        await world.clock.advanceTo(at(665))
        await world.thaw(first.scheduler, clock)
        await world.clock.advanceTo(at(1200))
        expect(starts(first, second)).not.toContain('60 starts with token 1')
        expect((await fates(second.scheduler, 'minutely')).slice(0, 4)).toEqual([
          '60 failed_stale execution_timeout',
          '120 skipped overlap',
          '180 skipped overlap',
          '240 completed',
        ])
      })
    },
  )
})
