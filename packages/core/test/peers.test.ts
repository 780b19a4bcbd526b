import { beforeEach, describe, expect, it } from 'vitest'
import { Peers } from '../src/engine/cluster/peers.ts'
import { EventHub } from '../src/events.ts'
import { silentLogger } from '../src/logger.ts'
import type { NodeRecord } from '../src/storage/node-record.ts'
import { type VirtualClock, virtualClock } from '../src/testing/virtual-clock.ts'

const eventNames = ['node.joined', 'node.left', 'node.lost'] as const

let clock: VirtualClock
let peers: Peers
let told: string[]
/** The levels of the lines about deaths. */
let levels: string[]

beforeEach(() => {
  clock = virtualClock('2026-01-01T00:00:00Z')
  told = []
  levels = []
  const events = new EventHub(silentLogger)
  for (const name of eventNames) events.on(name, ({ node }) => told.push(`${name} ${node}`))
  const owner = { node: 'self', incarnation: 'self-1' }
  const logger = { ...silentLogger, info: () => levels.push('info'), warn: () => levels.push('warn') }
  peers = new Peers({ clock, events, logger, owner }, { heartbeatMs: 5000, deadAfterMs: 30_000 })
})

function record(node: string, counter: number, others: Partial<NodeRecord> = {}): NodeRecord {
  return { node, incarnation: `${node}-1`, counter, startedAt: 0, leaving: false, about: {}, ...others }
}

/** Advances the clock by `seconds`, and then observes these node records. */
async function look(seconds: number, ...records: NodeRecord[]): Promise<boolean> {
  await clock.advance({ seconds })
  return peers.observe(records, clock.monotonic())
}

const namesOf = (records: readonly NodeRecord[]) => records.map(({ node }) => node)

describe('a peer, observed by its node records,', () => {
  it('is dead once its counter has stood still for `deadAfter`, and not before', async () => {
    await look(0, record('a', 5))
    for (let count = 0; count < 5; count++) await look(5, record('a', 5))
    await look(4.999, record('a', 5))
    expect([namesOf(peers.living()), told]).toEqual([['a'], []])
    expect(await look(0.001, record('a', 5))).toBe(true)
    expect([namesOf(peers.living()), namesOf(peers.dead()), told]).toEqual([[], ['a'], ['node.lost a']])
    expect(await look(5, record('a', 5))).toBe(false)
    expect(told).toEqual(['node.lost a'])
  })

  it('is not dead if a delayed answer to an earlier read lacks the record of the peer', async () => {
    await look(0, record('a', 5))
    const askedAt = clock.monotonic()
    await look(1, record('a', 5), record('b', 1))
    expect(peers.observe([record('a', 4)], askedAt)).toBe(false)
    expect([namesOf(peers.living()), told]).toEqual([['a', 'b'], []])
  })

  it('is not dead if one of two concurrent heartbeats of this node returns no record of the peer', async () => {
    await look(0, record('a', 5))
    await clock.advance({ seconds: 1 })
    const askedFirst = clock.monotonic()
    await clock.advance({ seconds: 1 })
    const askedSecond = clock.monotonic()
    await clock.advance({ seconds: 1 })
    // Two reads of the node records overlap, and their answers arrive in the wrong order. The answer without `b` arrives
    // last, but shows the state before `b` joined.
    expect(peers.observe([record('a', 6), record('b', 1)], askedFirst)).toBe(true)
    peers.observe([record('a', 6)], askedSecond)
    expect([namesOf(peers.living()), told]).toEqual([['a', 'b'], ['node.joined a']])
    await look(1, record('a', 6))
    expect([namesOf(peers.living()), told]).toEqual([['a', 'b'], ['node.joined a']])
  })

  it.each([null, {}, 'yesterday', { since: 'yesterday', takenOverBy: null }])(
    'is judged by its counter if its death record is %j, which is invalid',
    async (dead) => {
      const spoiled = record('a', 5, { about: { dead } })
      expect(await look(0, spoiled)).toBe(true)
      for (let count = 0; count < 6; count++) await look(5, spoiled)
      expect([namesOf(peers.dead()), told]).toEqual([['a'], ['node.lost a']])
    },
  )

  it('is dead after the dead time that its own record states', async () => {
    const brief = record('a', 5, { about: { deadAfterMs: 22_000 } })
    await look(0, brief)
    await look(10, brief)
    await look(11, brief)
    expect(peers.dead()).toEqual([])
    await look(1, brief)
    expect(namesOf(peers.dead())).toEqual(['a'])
  })

  it('is not dead before four heartbeat intervals have passed, even if its dead time is 1 s', async () => {
    const brief = record('a', 5, { about: { deadAfterMs: 1000 } })
    await look(0, brief)
    await look(10, brief)
    await look(9.999, brief)
    expect(peers.dead()).toEqual([])
    await look(0.001, brief)
    expect(namesOf(peers.dead())).toEqual(['a'])
  })

  it('is alive while its counter changes, upwards or downwards', async () => {
    for (let count = 0; count < 20; count++) await look(10, record('a', count % 2 === 0 ? 3 : 2))
    expect(told).toEqual(['node.joined a'])
  })

  it('has its silence measured up to the sending of the last read, and not up to the arrival of the answer', async () => {
    await look(0, record('a', 5))
    for (let count = 0; count < 5; count++) await look(5, record('a', 5))
    const askedAt = clock.monotonic()
    await clock.advance({ seconds: 10 })
    peers.observe([record('a', 5)], askedAt)
    expect(peers.dead()).toEqual([])
  })

  it('is reported as joined once its counter has grown, because the first record may be an old record of a dead node', async () => {
    await look(0, record('a', 5))
    expect(told).toEqual([])
    await look(5, record('a', 6))
    await look(5, record('a', 7))
    expect(told).toEqual(['node.joined a'])
  })

  it('is reported again when it has finished starting, because it takes no work before that instant', async () => {
    expect(await look(0, record('a', -3))).toBe(true)
    expect(await look(5, record('a', -2))).toBe(true)
    expect(await look(5, record('a', -1))).toBe(false)
    expect(await look(5, record('a', 1))).toBe(true)
    expect(await look(5, record('a', 2))).toBe(false)
    expect(told).toEqual(['node.joined a'])
  })

  it('is reported when its code has changed, because the assignment of jobs may change', async () => {
    const withCode = (counter: number, code: string) => record('b', counter, { about: { code } })
    await look(3, withCode(1, 'old'))
    await look(3, withCode(2, 'old'))
    expect(await look(3, withCode(3, 'old'))).toBe(false)
    expect(await look(3, withCode(4, 'new'))).toBe(true)
    expect(await look(3, withCode(5, 'new'))).toBe(false)
  })

  it('is alive again if it sends a heartbeat after it was declared dead', async () => {
    await look(0, record('a', 5))
    for (let count = 0; count < 6; count++) await look(5, record('a', 5))
    await look(5, record('a', 6))
    expect([namesOf(peers.living()), peers.dead(), told]).toEqual([['a'], [], ['node.lost a', 'node.joined a']])
  })

  it('is reported as joined if its record was removed after its death and then reappears', async () => {
    await look(0, record('a', 5))
    for (let count = 0; count < 6; count++) await look(5, record('a', 5))
    await look(5)
    await look(5, record('a', 9))
    expect(told).toEqual(['node.lost a', 'node.joined a'])
  })

  it('is reported as joined if its record was removed after its runs were settled and then reappears', async () => {
    await look(0, record('a', 5))
    for (let count = 0; count < 6; count++) await look(5, record('a', 5))
    expect(peers.settle('a-1')).toBe(true)
    await look(5)
    await look(5, record('a', 9))
    expect(told).toEqual(['node.lost a', 'node.joined a'])
  })

  it('is dead `deadAfter` after its last heartbeat if its record has disappeared', async () => {
    await look(0, record('a', 5))
    for (let count = 0; count < 5; count++) await look(5)
    expect([namesOf(peers.living()), peers.dead(), told]).toEqual([['a'], [], []])
    await look(5)
    expect([peers.living(), namesOf(peers.dead()), told]).toEqual([[], ['a'], ['node.lost a']])
    await look(5)
    expect([namesOf(peers.dead()), told]).toEqual([['a'], ['node.lost a']])
  })

  it('whose record has disappeared is forgotten once no run of the peer is left', async () => {
    await look(0, record('a', 5))
    for (let count = 0; count < 6; count++) await look(5)
    expect(peers.settle('a-1')).toBe(false)
    await look(5)
    expect([peers.dead(), peers.get('a-1')]).toEqual([[], undefined])
  })

  it('is never declared dead if its record disappears and reappears', async () => {
    await look(0, record('a', 5))
    await look(5)
    expect(await look(5, record('a', 6))).toBe(true)
    for (let counter = 7; counter < 20; counter++) await look(5, record('a', counter))
    expect([namesOf(peers.living()), told]).toEqual([['a'], ['node.joined a']])
  })

  it('is not alive if its record was replaced by the record of a later incarnation', async () => {
    await look(0, record('a', 5))
    await look(5, record('a', 1, { incarnation: 'a-2' }))
    expect(peers.living().map(({ incarnation }) => incarnation)).toEqual(['a-2'])
  })

  it('is dead after `deadAfter` if it owns a run and has no record', async () => {
    await look(0)
    peers.expect({ node: 'a', incarnation: 'a-1' })
    for (let count = 0; count < 5; count++) await look(5)
    expect([peers.living(), peers.dead(), told]).toEqual([[], [], []])
    await look(5)
    expect([namesOf(peers.dead()), told]).toEqual([['a'], ['node.lost a']])
  })

  it('stays dead for this node until its runs are settled, even if another node has already recorded its death', async () => {
    const stated = record('a', 3, { leaving: true, about: { ended: true, dead: { since: 1, takenOverBy: null } } })
    await look(0, stated)
    peers.expect({ node: 'a', incarnation: 'a-1' })
    expect(await look(5, stated)).toBe(true)
    for (let count = 0; count < 3; count++) expect(await look(5, stated)).toBe(false)
    expect([namesOf(peers.dead()), told]).toEqual([['a'], ['node.lost a']])
    expect(peers.settle('a-1')).toBe(false)
    await look(5, stated)
    expect([peers.dead(), told]).toEqual([[], ['node.lost a']])
  })

  it('counts as a new node if its record appears only after its run was found', async () => {
    await look(0)
    peers.expect({ node: 'a', incarnation: 'a-1' })
    for (let count = 0; count < 5; count++) await look(5)
    await look(1, record('a', 5))
    for (let count = 0; count < 5; count++) await look(5, record('a', 5))
    expect([namesOf(peers.living()), told]).toEqual([['a'], []])
    await look(5, record('a', 6))
    expect(told).toEqual(['node.joined a'])
  })

  it('that has no node record is dead only after the longest dead time of all known nodes', async () => {
    const patient = (counter: number) => record('b', counter, { about: { deadAfterMs: 60_000 } })
    await look(0, patient(1))
    peers.expect({ node: 'a', incarnation: 'a-1' })
    for (let counter = 2; counter < 13; counter++) await look(5, patient(counter))
    expect(peers.dead()).toEqual([])
    await look(5, patient(13))
    expect(namesOf(peers.dead())).toEqual(['a'])
  })

  it('does not count as alive for other nodes while it leaves, and its leaving is reported once', async () => {
    await look(0, record('a', 5))
    await look(5, record('a', 6, { leaving: true }))
    await look(5, record('a', 7, { leaving: true }))
    expect([peers.living(), told]).toEqual([[], ['node.left a']])
  })

  it('is never declared dead after its end, and is forgotten once all nodes have had time to read its end', async () => {
    const ended = record('a', 6, { leaving: true, about: { ended: true } })
    await look(0, record('a', 5))
    await look(5, ended)
    for (let count = 0; count < 5; count++) await look(5, ended)
    expect(peers.ended()).toEqual([])
    await look(5, ended)
    expect(namesOf(peers.ended() as readonly NodeRecord[])).toEqual(['a'])
    await look(5)
    expect(told).toEqual(['node.left a'])
  })
})

describe('the measurement of a peer’s silence', () => {
  async function silent(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 5) await look(5, record('a', 5))
  }

  it('restarts after a failed read of the node records', async () => {
    await look(0, record('a', 5))
    await silent(10)
    peers.beginAnew()
    await silent(30)
    expect(peers.dead()).toEqual([])
    await silent(5)
    expect(namesOf(peers.dead())).toEqual(['a'])
  })

  it('may restart repeatedly; a peer is dead once its silence, counted only while reads succeed, reaches 1.5 times the dead time', async () => {
    await look(0, record('a', 5))
    // Each outage lasts 8 s. At most one heartbeat interval of each outage counts as silence of the peer.
    for (let outages = 0; outages < 2; outages++) {
      await silent(10)
      peers.beginAnew()
      await look(8, record('a', 5))
    }
    expect(peers.dead()).toEqual([])
    await silent(10)
    peers.beginAnew()
    await look(8, record('a', 5))
    expect(namesOf(peers.dead())).toEqual(['a'])
  })

  it('does not make a peer dead if its counter changes between two storage outages, however many outages occur', async () => {
    for (let counter = 1; counter < 100; counter++) {
      await look(5, record('a', counter))
      peers.beginAnew()
      await look(8, record('a', counter))
    }
    expect([namesOf(peers.living()), told]).toEqual([['a'], ['node.joined a']])
  })

  it('restarts after the observing node stood still', async () => {
    await look(0, record('a', 5))
    await silent(10)
    await look(15.001, record('a', 5))
    await silent(25)
    expect(peers.dead()).toEqual([])
    await silent(5)
    expect(namesOf(peers.dead())).toEqual(['a'])
  })

  it('does not restart for a peer that is already dead', async () => {
    await look(0, record('a', 5))
    await silent(30)
    peers.beginAnew()
    await silent(5)
    expect(namesOf(peers.dead())).toEqual(['a'])
  })
})

it('`takeGap` of Peers returns true once after this node’s start, each failed read, and each missing record', async () => {
  await look(0, record('a', 5))
  expect([peers.takeGap(), peers.takeGap()]).toEqual([true, false])
  peers.beginAnew()
  await look(5, record('a', 6))
  expect([peers.takeGap(), peers.takeGap()]).toEqual([true, false])
  await look(5)
  expect([peers.takeGap(), peers.takeGap()]).toEqual([true, false])
})

it.each([
  ['info', 'has started again', 1],
  ['warn', 'only begins to start again', -999_990],
])('the death of an earlier life of a node is a line at the level %s if the node %s', async (level, _, counter) => {
  await look(0, record('a', 5))
  for (let n = 0; n < 7; n++) await look(5, record('a', 5), record('a', counter + n, { incarnation: 'a-2' }))
  expect(levels).toEqual([level])
})

it('a node does not observe itself as a peer', async () => {
  await look(0, record('self', 1))
  peers.expect({ node: 'self', incarnation: 'self-1' })
  await look(5)
  expect([peers.living(), peers.get('self-1'), told]).toEqual([[], undefined, []])
})
