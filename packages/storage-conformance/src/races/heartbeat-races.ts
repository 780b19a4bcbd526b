import assert from 'node:assert/strict'
import type { Storage } from '@jobistemer/core/storage'
import { type Effort, rounds } from '../effort.ts'
import { beat, nodeRecord, readNodes } from '../stage/heartbeats.ts'
import { itemAt } from '../stage/expect.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

const nodeCount = 20

/**
 * Each counter is `round * stride + index`, where `index` is the index of the node. So a counter shows which node wrote
 * it.
 */
const stride = 1_000

/**
 * Returns the record of a racing node. Its incarnation, counter, node name and `about` all contain the node's index.
 */
function raceRecord(index: number, round: number) {
  return nodeRecord(`life-${index}`, round * stride + index, { node: `node-${index}`, about: { index } })
}

/**
 * Sends heartbeats of one node, and in each round removes some other nodes that this node has just seen. Asserts that
 * each record that the node reads is complete and belongs to one node, and that no counter decreases.
 */
export async function beatAndRemove(storage: Storage, index: number, count: number): Promise<void> {
  const newest = new Map<string, number>()
  let remove: readonly { readonly incarnation: string; readonly counter: number }[] = []
  for (let round = 1; round <= count; round++) {
    const { nodes } = await beat(storage, raceRecord(index, round), { remove })
    for (const record of nodes) {
      const of = record.counter % stride
      assert.deepEqual(record, raceRecord(of, (record.counter - of) / stride), 'a record with the counter of another')
      const before = newest.get(record.incarnation) ?? 0
      assert.ok(
        record.counter >= before,
        `the counter of ${record.incarnation} fell from ${before} to ${record.counter}`,
      )
      newest.set(record.incarnation, record.counter)
    }
    const others = nodes.filter(({ incarnation }) => incarnation !== `life-${index}`)
    remove = others.filter((_, place) => (place + round) % 4 === 0)
  }
}

/** Sends one more heartbeat of every node. Checks that no node was removed as dead. */
export async function expectAllLive(storages: readonly Storage[], count: number, all: number): Promise<void> {
  const last = Array.from({ length: all }, (_, index) => raceRecord(index, count + 1))
  await Promise.all(last.map(async (record, index) => await beat(itemAt(storages, index % storages.length), record)))
  const expected = last.toSorted((left, right) => (left.incarnation < right.incarnation ? -1 : 1))
  for (const storage of storages) {
    assert.deepEqual(await readNodes(storage), expected, 'the record of a living node is lost, or is another one')
  }
}

export function heartbeatRaces(effort: Effort): readonly StorageCase[] {
  return caseGroup(
    'races of heartbeats',
    {
      'no node that lives is lost, and none shows the counter of another, while others remove what they take for dead':
        async (world) => {
          const storages = await Promise.all(Array.from({ length: nodeCount }, async () => await world.connect()))
          const count = rounds(10, effort)
          await Promise.all(storages.map(async (storage, index) => await beatAndRemove(storage, index, count)))
          await expectAllLive(storages, count, nodeCount)
        },

      'a heartbeat and a removal by the counter before it meet, and who lives stays': async (world) => {
        const storages = await Promise.all(Array.from({ length: 8 }, async () => await world.connect()))
        const living = storages.filter((_, index) => index % 2 === 0)
        for (let round = 1; round <= rounds(20, effort); round++) {
          const before = living.map((_, index) => raceRecord(index, 2 * round))
          const after = living.map((_, index) => raceRecord(index, 2 * round + 1))
          await Promise.all(living.map(async (storage, index) => await beat(storage, itemAt(before, index))))
          await Promise.all(
            storages.map(async (storage, index) => {
              if (index % 2 === 0) await beat(storage, itemAt(after, index / 2))
              else await beat(storage, null, { remove: before })
            }),
          )
          assert.deepEqual(
            await readNodes(itemAt(storages, 1)),
            after,
            'a removal took what was said after its counter',
          )
        }
      },

      'profiles stay those of their nodes when all say them at once': async (world) => {
        const storages = await Promise.all(Array.from({ length: nodeCount }, async () => await world.connect()))
        const lives = storages.map((_, index) => `life-${index}`)
        await Promise.all(
          storages.map(async (storage, index) => {
            await beat(storage, raceRecord(index, 1), { profile: { can: index } })
            await beat(storage, raceRecord(index, 2))
          }),
        )
        const { profiles } = await beat(itemAt(storages, 0), null, { profilesOf: lives })
        assert.deepEqual(
          profiles,
          lives.map((_, index) => ({ can: index })),
        )
      },
    },
    { depth: 'races', timeoutMs: 120_000 },
  )
}
