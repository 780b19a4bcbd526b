import assert from 'node:assert/strict'
import type { JsonObject } from '@jobistemer/core'
import type { HeartbeatRequest, NodeRecord } from '@jobistemer/core/storage'
import { beat, nodeRecord, readNodes, readProfile } from '../stage/heartbeats.ts'
import { expectOutcome } from '../stage/expect.ts'
import { start } from '../stage/instants.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

/** A JSON object with values that storages easily lose or change, such as special numbers, keys and texts. */
const demanding: JsonObject = {
  '': '',
  texts: ['h\u00e9 \u{1f600} \u2028', 'half \ud83d', '\ude00 half', 'NUL \u0000 and on\u0000', '"quoted" \\ \t\n'],
  numbers: [0, -1, 1.5, 1e-7, 1e21, 2 ** 53 - 1, Number.MAX_VALUE, Number.MIN_VALUE],
  '\u0000 \u{1f600}': { nested: [[[{ deep: [null, true, false, [], {}] }]]] },
  '10': 'a member that looks like an index',
}

/** Returns an object whose JSON has this many bytes. */
function ofSize(bytes: number): JsonObject {
  const frame = JSON.stringify({ text: '' }).length
  return { text: 'x'.repeat(bytes - frame) }
}

export const heartbeatCases: readonly StorageCase[] = caseGroup('heartbeat', {
  'a run outlives the node record of its owner: it is listed, with and without its node, and can be reaped': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const { storage, owner } = node
    await beat(storage, nodeRecord(owner.incarnation, 3, { node: owner.node }), { profile: { can: 'all' } })
    const held = await node.startSlot(job, 1)
    const before = await node.record(held)
    const other = await TestNode.connect(world, 'node-b')
    await beat(other.storage, nodeRecord('node-b-1', 1, { node: 'node-b' }), {
      remove: [{ incarnation: owner.incarnation, counter: 3 }],
    })
    assert.deepEqual(await node.record(held), before)
    const query = { kind: 'live', state: 'running', runs: true, limit: 10, cursor: null } as const
    assert.deepEqual((await other.storage.listOccurrences(query)).items, [before])
    assert.deepEqual((await other.storage.listOccurrences({ ...query, node: owner.node })).items, [before])
    expectOutcome(await other.reap(held, { action: 'retry' }), 'reaped')
  },

  'at first there is no node, and the first one is answered as it was said': async (world) => {
    const storage = await world.connect()
    assert.deepEqual(await beat(storage, null), { nodes: [], profiles: [] })
    const own = nodeRecord('life-1', 1)
    assert.deepEqual(await beat(storage, own), { nodes: [own], profiles: [] })
    assert.deepEqual(await readNodes(storage), [own])
  },

  'a greater counter brings all of the record up to date': async (world) => {
    const storage = await world.connect()
    // Before a node joins the cluster, it sends heartbeats with negative counters. Its first heartbeat as a member has a
    // greater counter, so the storage accepts each of these heartbeats.
    for (const counter of [-1_000_000, -999_999, 1]) {
      const own = nodeRecord('life-1', counter)
      assert.deepEqual((await beat(storage, own)).nodes, [own], `with the counter ${counter}`)
    }
    const later = nodeRecord('life-1', 9, { startedAt: start + 5, about: { pid: 8, runs: 3 } })
    assert.deepEqual((await beat(storage, later)).nodes, [later])
    const last = nodeRecord('life-1', 10, { leaving: true, about: {} })
    assert.deepEqual((await beat(storage, last)).nodes, [last])
  },

  'the same counter again and a smaller one change nothing': async (world) => {
    const storage = await world.connect()
    const own = nodeRecord('life-1', 5)
    await beat(storage, own, { profile: { can: 'all' } })
    for (const counter of [5, 4, 0]) {
      const belated = nodeRecord('life-1', counter, { leaving: true, about: { pid: 8 } })
      const answer = await beat(storage, belated, { profile: { can: 'nothing' }, profilesOf: ['life-1'] })
      assert.deepEqual(answer, { nodes: [own], profiles: [{ can: 'all' }] }, `with the counter ${counter}`)
    }
  },

  'two lives of one node stand side by side': async (world) => {
    const storage = await world.connect()
    const first = nodeRecord('life-1', 8, { node: 'node-a' })
    const second = nodeRecord('life-2', 1, { node: 'node-a', about: { pid: 8 } })
    await beat(storage, first, { profile: { can: 'one' } })
    const answer = await beat(storage, second, { profile: { can: 'two' }, profilesOf: ['life-1', 'life-2'] })
    assert.deepEqual(answer, { nodes: [first, second], profiles: [{ can: 'one' }, { can: 'two' }] })
  },

  'a profile stays when it is left out, and is replaced when it is given': async (world) => {
    const storage = await world.connect()
    await beat(storage, nodeRecord('life-1', 1))
    assert.equal(await readProfile(storage, 'life-1'), null)
    await beat(storage, nodeRecord('life-1', 2), { profile: { can: 'one' } })
    await beat(storage, nodeRecord('life-1', 3))
    assert.deepEqual(await readProfile(storage, 'life-1'), { can: 'one' })
    await beat(storage, nodeRecord('life-1', 4), { profile: {} })
    assert.deepEqual(await readProfile(storage, 'life-1'), {})
  },

  'profiles are in the order of the request, null for unknown nodes': async (world) => {
    const storage = await world.connect()
    await beat(storage, nodeRecord('life-1', 1), { profile: { can: 'one' } })
    await beat(storage, nodeRecord('life-2', 1), { profile: { can: 'two' } })
    await beat(storage, nodeRecord('life-3', 1))
    const own = nodeRecord('life-4', 1)
    const profilesOf = ['life-2', 'never', 'life-3', 'life-1', 'life-4', 'life-2']
    const { profiles } = await beat(storage, own, { profile: { can: 'four' }, profilesOf })
    assert.deepEqual(profiles, [{ can: 'two' }, null, null, { can: 'one' }, { can: 'four' }, { can: 'two' }])
  },

  'a removal takes a record that has said nothing since, with its profile': async (world) => {
    const storage = await world.connect()
    const other = nodeRecord('life-2', 3)
    await beat(storage, nodeRecord('life-1', 6), { profile: { can: 'one' } })
    await beat(storage, other, { profile: { can: 'two' } })
    const remove = [{ incarnation: 'life-1', counter: 6 }]
    const answer = await beat(storage, null, { remove, profilesOf: ['life-1', 'life-2'] })
    assert.deepEqual(answer, { nodes: [other], profiles: [null, { can: 'two' }] })
    const back = nodeRecord('life-1', 2)
    assert.deepEqual((await beat(storage, back)).nodes, [back, other], 'who is back begins anew, with any counter')
    assert.equal(await readProfile(storage, 'life-1'), null)
  },

  'a removal with another counter than the stored one removes nothing': async (world) => {
    const storage = await world.connect()
    const living = nodeRecord('life-1', 6)
    await beat(storage, living, { profile: { can: 'one' } })
    for (const counter of [5, 7, 0]) {
      const remove = [
        { incarnation: 'life-1', counter },
        { incarnation: 'never', counter },
      ]
      const answer = await beat(storage, null, { remove, profilesOf: ['life-1'] })
      assert.deepEqual(answer, { nodes: [living], profiles: [{ can: 'one' }] }, `with the counter ${counter}`)
    }
  },

  'what is removed goes before the own record is stored, also an own one': async (world) => {
    const storage = await world.connect()
    await beat(storage, nodeRecord('life-1', 6), { profile: { can: 'one' } })
    const anew = nodeRecord('life-1', 1, { about: { pid: 8 } })
    const remove = [{ incarnation: 'life-1', counter: 6 }]
    const answer = await beat(storage, anew, { remove, profilesOf: ['life-1'] })
    assert.deepEqual(answer, { nodes: [anew], profiles: [null] })
    const next = nodeRecord('life-1', 2)
    const notThis = [{ incarnation: 'life-1', counter: 2 }]
    assert.deepEqual((await beat(storage, next, { remove: notThis })).nodes, [next])
  },

  'several are removed in one call, each by its own counter': async (world) => {
    const storage = await world.connect()
    for (let index = 1; index <= 5; index++) await beat(storage, nodeRecord(`life-${index}`, index))
    const remove = [1, 2, 3, 4].map((index) => ({ incarnation: `life-${index}`, counter: index === 3 ? 4 : index }))
    const own = nodeRecord('life-6', 1)
    const { nodes } = await beat(storage, own, { remove })
    assert.deepEqual(nodes, [nodeRecord('life-3', 3), nodeRecord('life-5', 5), own])
  },

  'what a node says all connections see at once': async (world) => {
    const first = await world.connect()
    const second = await world.connect()
    const one = nodeRecord('life-1', 1, { node: 'node-a' })
    const two = nodeRecord('life-2', 1, { node: 'node-b' })
    await beat(first, one, { profile: { can: 'one' } })
    const answer = await beat(second, two, { profilesOf: ['life-1'] })
    assert.deepEqual(answer, { nodes: [one, two], profiles: [{ can: 'one' }] })
    assert.deepEqual(await readNodes(first), [one, two])
    await second.close()
    assert.deepEqual(await readNodes(first), [one, two], 'a connection that is closed takes no record with it')
  },

  'a heartbeat returns records and profiles exactly as they were stored': async (world) => {
    const storage = await world.connect()
    const node = 'node \u0000 \u{1f600} "a"'
    const own = nodeRecord('life-1', 2 ** 52, { node, startedAt: -1, about: demanding })
    const { nodes, profiles } = await beat(storage, own, { profile: demanding, profilesOf: ['life-1'] })
    assert.deepEqual([nodes, profiles], [[own], [demanding]])
    assert.equal(JSON.stringify([nodes[0]?.about, profiles[0]]), JSON.stringify([demanding, demanding]))
    const again = await beat(await world.connect(), null, { profilesOf: ['life-1'] })
    assert.deepEqual(again, { nodes, profiles })
  },

  'the `about` of a node may have 4,096 bytes, and its profile 131,072': async (world) => {
    const storage = await world.connect()
    const own = nodeRecord('life-1', 1, { about: ofSize(4_096) })
    const profile = ofSize(131_072)
    assert.deepEqual(await beat(storage, own, { profile, profilesOf: ['life-1'] }), {
      nodes: [own],
      profiles: [profile],
    })
    // Incompressible text of the maximum size, 131,072 bytes as JSON. Storages that compress profiles must store it
    // too.
    const noise = { text: noiseOf(131_072 - 11) }
    const next = nodeRecord('life-1', 2, { about: { text: noiseOf(4_096 - 11) } })
    const answer = await beat(storage, next, { profile: noise, profilesOf: ['life-1'] })
    assert.deepEqual(answer, { nodes: [next], profiles: [noise] })
  },

  'many nodes are all listed, each once, by their incarnations': async (world) => {
    const storage = await world.connect()
    // Each heartbeat returns all nodes, so its cost increases with the square of their number. The number exceeds common limits
    // of one request, such as 100 items. The records together have 300 KB.
    const count = 130
    const about = ofSize(2_300)
    const records = Array.from({ length: count }, (_, index) =>
      nodeRecord(`life-${(index * 7) % count}`, index, { node: `node-${index % 5}`, about }),
    )
    for (let first = 0; first < records.length; first += 20) {
      await Promise.all(records.slice(first, first + 20).map(async (record) => await beat(storage, record)))
    }
    const expected = records.toSorted(byIncarnation)
    const { nodes, profiles } = await beat(storage, null, { profilesOf: records.map((record) => record.incarnation) })
    assert.deepEqual(
      nodes.map(({ incarnation }) => incarnation),
      expected.map(({ incarnation }) => incarnation),
    )
    assert.deepEqual(nodes, expected)
    assert.deepEqual(profiles, Array(count).fill(null))
  },

  'two sets of data do not see the nodes of each other': async (world) => {
    const here = await world.connect()
    const there = await (await world.another()).connect()
    const own = nodeRecord('life-1', 5)
    const other = nodeRecord('life-1', 2, { node: 'node-b' })
    await beat(here, own, { profile: { can: 'one' } })
    const remove = [{ incarnation: 'life-1', counter: 5 }]
    assert.deepEqual(await beat(there, other, { remove, profilesOf: ['life-1'] }), { nodes: [other], profiles: [null] })
    assert.deepEqual(await readNodes(here), [own])
  },

  'what a caller does to a request or an answer changes nothing that is stored': async (world) => {
    const storage = await world.connect()
    const about = { list: [1] }
    const profile = { list: [2] }
    const request: HeartbeatRequest = {
      now: start,
      own: nodeRecord('life-1', 1, { about }),
      profile,
      remove: [],
      profilesOf: ['life-1'],
    }
    const answer = await storage.heartbeat(request)
    for (const list of [about.list, profile.list]) list.push(9)
    for (const told of [answer.nodes[0]?.about, answer.profiles[0]]) spoil(told)
    const stored = nodeRecord('life-1', 1, { about: { list: [1] } })
    const now = await beat(storage, null, { profilesOf: ['life-1'] })
    assert.deepEqual(now, { nodes: [stored], profiles: [{ list: [2] }] })
  },
})

/** Tries to add a member to an object of an answer. A storage may return frozen objects, which stay unchanged. */
function spoil(value: unknown): void {
  if (typeof value === 'object' && value !== null) Reflect.set(value, 'spoiled', true)
}

/** Returns a fixed pseudo-random text of this length, which compression hardly shortens. */
function noiseOf(length: number): string {
  let state = 1
  let text = ''
  while (text.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    text += (state >>> 4).toString(36)
  }
  return text.slice(0, length)
}

function byIncarnation(left: NodeRecord, right: NodeRecord): number {
  return left.incarnation < right.incarnation ? -1 : 1
}
