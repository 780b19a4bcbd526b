/**
 * What this node knows of another incarnation:
 * - `unknown`: this node has never read of it, or has forgotten it.
 * - `unrecorded`: it owns a run, but no look has found its record.
 * - `present`: the storage has its record, and it was not silent for its `deadAfter`.
 * - `absent`: its record disappeared. The storage may have lost the record of a living node.
 * - `dead`, `dead_absent`: it was silent for its `deadAfter`, with and without a record.
 * - `settled`: it was `present`, and the reaper found no run of it. The next heartbeat removes its record, unless the counter
 *   has grown.
 * - `ended`: its record says that it has shut down.
 */
export type PeerState = 'unknown' | 'unrecorded' | 'present' | 'absent' | 'dead' | 'dead_absent' | 'settled' | 'ended'

/**
 * What this node learns of an incarnation. A look reads all node records, see `Heartbeats`.
 * - `owns`: the reaper found a run with this owner.
 * - `read`: a look found the incarnation's record for the first time, or with the counter of the previous look.
 * - `beat`: a look found the record with another counter than the previous look.
 * - `ended`: a look found the record, and the record says that the incarnation has shut down.
 * - `missed`: a look found no record of the incarnation.
 * - `silent`: the incarnation was silent for its `deadAfter`. This event also replaces `stated` if this node knows the
 *   incarnation only as the owner of a run.
 * - `stated`: a look found a record that states the death of the incarnation. Another node stored this record after it had
 *   searched for runs of the incarnation.
 * - `settled`: the reaper found no run of the incarnation.
 */
export type PeerEvent = 'owns' | 'read' | 'beat' | 'ended' | 'missed' | 'silent' | 'stated' | 'settled'

type Transitions = Readonly<Partial<Record<PeerEvent, PeerState>>>

/** The next state of a peer, by its state and the event. An event without an entry leaves the state unchanged. */
const transitions: Readonly<Record<PeerState, Transitions>> = {
  unknown: { owns: 'unrecorded', read: 'present', beat: 'present', ended: 'ended' },
  unrecorded: { read: 'present', beat: 'present', ended: 'ended', silent: 'dead_absent', settled: 'unknown' },
  present: { ended: 'ended', missed: 'absent', silent: 'dead', stated: 'unknown', settled: 'settled' },
  absent: {
    read: 'present',
    beat: 'present',
    ended: 'ended',
    silent: 'dead_absent',
    stated: 'unknown',
    settled: 'unknown',
  },
  dead: { beat: 'present', ended: 'ended', missed: 'dead_absent', stated: 'unknown' },
  dead_absent: { read: 'dead', beat: 'present', ended: 'ended', stated: 'unknown', settled: 'unknown' },
  settled: { beat: 'present', ended: 'ended', missed: 'unknown', stated: 'unknown' },
  ended: { beat: 'present', missed: 'unknown', stated: 'unknown' },
}

export function nextState(state: PeerState, event: PeerEvent): PeerState {
  return transitions[state][event] ?? state
}

export function isDead(state: PeerState): boolean {
  return state === 'dead' || state === 'dead_absent'
}

/** Returns whether the last look found a node record of a peer in this state. */
export function hasRecord(state: PeerState): boolean {
  return state === 'present' || state === 'dead' || state === 'settled' || state === 'ended'
}

/**
 * Returns what this node reports when a peer changes its state by this event. `lost`: the peer is dead. `revived`: a peer that
 * was declared dead sends heartbeats, or has shut down since. `null`: nothing to report.
 */
export function newsOf(from: PeerState, event: PeerEvent): 'lost' | 'revived' | null {
  const to = nextState(from, event)
  if (isDead(from)) return to === 'present' || to === 'ended' ? 'revived' : null
  return isDead(to) || (event === 'stated' && to !== from && from !== 'ended') ? 'lost' : null
}
