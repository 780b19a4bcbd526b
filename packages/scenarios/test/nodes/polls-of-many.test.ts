import { defineJob } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { memory, type PlaceKind } from '../support/places.ts'
import { createWorld, secondsOf, type World } from '../support/world.ts'

/** Makes a memory storage with the capabilities of a storage for several processes. */
const shared = (settings: { readonly hasWakeUps: boolean }): PlaceKind => ({
  name: 'shared memory',
  open() {
    const place = memory.open()
    const connect = () => {
      const storage = place.connect()
      const capabilities = { ...storage.capabilities, multiProcess: true }
      return wrapStorage(storage, { capabilities, ...(!settings.hasWakeUps && { subscribe: undefined }) })
    }
    return { connect, dispose: () => place.dispose() }
  },
})

/** Starts nodes with one permit each. `began` lists the second and the node of each run. */
async function startNodes(world: World, nodeIds: readonly string[]) {
  const began: string[] = []
  const work = (node: string) =>
    defineJob({
      name: 'work',
      schedule: everySeconds(86_400),
      overlapPolicy: 'allow',
      tasks: [
        {
          name: 'work',
          async run() {
            began.push(`${secondsOf(world.clock.now())} ${node}`)
            await world.clock.sleep({ seconds: 30 })
          },
        },
      ],
    })
  const nodes = []
  for (const nodeId of nodeIds) {
    const counted = new InterceptedStorage(world.connect())
    const options = { nodeId, jobs: [work(nodeId)], maxConcurrentJobs: 1, storage: counted.storage }
    nodes.push({ counted, scheduler: await world.start(options) })
  }
  return { nodes, began }
}

describe('four idle nodes', () => {
  it.each([
    { hasWakeUps: true, claims: 12, looks: 6 },
    { hasWakeUps: false, claims: 60, looks: 20 },
  ])(
    'poll for work and for changed definitions at these rates for each node and minute: %o',
    async ({ hasWakeUps, claims, looks }) => {
      const world = createWorld(shared({ hasWakeUps }))
      const { nodes } = await startNodes(world, ['a', 'b', 'c', 'd'])
      await world.clock.advance({ seconds: 30 })
      for (const { counted } of nodes) counted.reset()
      await world.clock.advance({ minutes: 1 })
      const looksOf = ({ calls }: InterceptedStorage) =>
        calls.filter(({ operation, request }) => operation === 'listJobs' && 'changedSince' in (request as object))
      for (const { counted } of nodes) {
        expect([counted.count('claim'), looksOf(counted).length, counted.count('get')]).toEqual([claims, looks, looks])
      }
    },
  )

  it('claim pending runs at once when they receive a wake-up', async () => {
    const world = createWorld(shared({ hasWakeUps: true }))
    const { nodes, began } = await startNodes(world, ['a', 'b'])
    await world.clock.advance({ seconds: 11 })
    await nodes[0]?.scheduler.trigger('work')
    await nodes[0]?.scheduler.trigger('work')
    await world.clock.advance({ seconds: 1 })
    expect(began).toEqual(['11 a', '11 b'])
  })

  it('claim pending runs within a second if they receive no wake-ups', async () => {
    const world = createWorld(shared({ hasWakeUps: false }))
    const { nodes, began } = await startNodes(world, ['a', 'b'])
    await world.clock.advance({ seconds: 11.5 })
    await nodes[0]?.scheduler.trigger('work')
    await nodes[0]?.scheduler.trigger('work')
    await world.clock.advance({ seconds: 1 })
    expect(began.map((text) => text.split(' ')[1])).toEqual(['a', 'b'])
  })
})
