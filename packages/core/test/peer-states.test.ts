import { describe, expect, it } from 'vitest'
import {
  hasRecord,
  isDead,
  newsOf,
  nextState,
  type PeerEvent,
  type PeerState,
} from '../src/engine/cluster/peer-states.ts'

const states: readonly PeerState[] = [
  'unknown',
  'unrecorded',
  'present',
  'absent',
  'dead',
  'dead_absent',
  'settled',
  'ended',
]
const events: readonly PeerEvent[] = ['owns', 'read', 'beat', 'ended', 'missed', 'silent', 'stated', 'settled']

/** Yields every sequence of `length` events, with the states before and after each event. */
function* walks(length: number): Generator<readonly { from: PeerState; event: PeerEvent; to: PeerState }[]> {
  if (length === 0) {
    yield []
    return
  }
  for (const walk of walks(length - 1)) {
    const from = walk.at(-1)?.to ?? 'unknown'
    for (const event of events) yield [...walk, { from, event, to: nextState(from, event) }]
  }
}

const pairs = states.flatMap((state) => events.map((event) => ({ state, event, to: nextState(state, event) })))
const after = (event: PeerEvent) => pairs.filter((pair) => pair.event === event && pair.state !== 'unknown')

describe('the transition table of a peer', () => {
  it('has a path from the state `unknown` to each state, and from each state to `unknown`', () => {
    const reachedFrom = (start: PeerState): ReadonlySet<PeerState> => {
      const reached = new Set([start])
      for (const state of reached) for (const event of events) reached.add(nextState(state, event))
      return reached
    }
    expect([...reachedFrom('unknown')].sort()).toEqual([...states].sort())
    for (const state of states) expect(reachedFrom(state)).toContain('unknown')
  })

  it('declares a peer dead only if the peer is silent, has not ended, and has runs that are not settled', () => {
    const deaths = pairs.filter(({ state, to }) => isDead(to) && !isDead(state))
    expect(deaths.map(({ state, event, to }) => [state, event, to])).toEqual([
      ['unrecorded', 'silent', 'dead_absent'],
      ['present', 'silent', 'dead'],
      ['absent', 'silent', 'dead_absent'],
    ])
  })

  it('treats a heartbeat as a sign of life in every state', () => {
    for (const state of states) expect(nextState(state, 'beat')).toBe('present')
  })

  it('changes after each read to a state that says whether the peer has a node record', () => {
    for (const event of ['read', 'beat', 'ended'] as const)
      for (const { to } of after(event)) expect(hasRecord(to)).toBe(true)
    for (const { to } of after('missed')) expect(hasRecord(to)).toBe(false)
  })

  it('removes a peer once another node has stored the death of that peer', () => {
    const forgetting = after('stated').filter(({ to }) => to === 'unknown')
    // The event `stated` removes a peer in every state except the first two, `unknown` and `unrecorded`. A peer in the state
    // `unknown` is not stored at all. For a peer in the state `unrecorded`, a node applies the event `silent` instead.
    expect(forgetting.map(({ state }) => state)).toEqual(states.slice(2))
  })

  it('removes a dead peer without a node record only after its runs are settled or another node stored its death', () => {
    const forgetting = events.filter((event) => nextState('dead_absent', event) === 'unknown')
    expect(forgetting).toEqual(['stated', 'settled'])
  })

  it('reports each death only once until the peer is alive again, and reports a revival only after a death', () => {
    let walked = 0
    // One `expect` for each of 160,000 steps would take most of the test's time.
    const wrong: unknown[] = []
    for (const walk of walks(5)) {
      let isDeclaredDead = false
      for (const { from, event, to } of walk) {
        if (from === 'unknown') isDeclaredDead = false
        const news = newsOf(from, event)
        if (news === (isDeclaredDead ? 'lost' : 'revived')) wrong.push([news, walk])
        if (news !== null) isDeclaredDead = news === 'lost'
        if (to !== 'unknown' && isDead(to) !== isDeclaredDead) wrong.push([to, walk])
      }
      walked++
    }
    expect(wrong.slice(0, 5)).toEqual([])
    expect(walked).toBe(events.length ** 5)
  })
})
