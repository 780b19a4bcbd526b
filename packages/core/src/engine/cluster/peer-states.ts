/**
 * What this node knows of another incarnation:
 * - `unknown`: nothing, or nothing any more.
 * - `unrecorded`: it owns a run, and this node has never read a node record of it.
 * - `present`: its record is stored, and it has not been silent for its dead time.
 * - `absent`: its record disappeared. The storage may have lost the record of a living node.
 * - `dead`, `dead_absent`: it was silent for its dead time, with and without a record.
 * - `settled`: it owns no run any more, and its record is about to be removed.
 * - `ended`: its record says that it has shut down.
 */
export type PeerState = 'unknown' | 'unrecorded' | 'present' | 'absent' | 'dead' | 'dead_absent' | 'settled' | 'ended'

/**
 * What this node learns of an incarnation:
 * - `owns`: a run has this owner.
 * - `read`: its record has the counter of the last look.
 * - `beat`: its record has another counter.
 * - `ended`: its record says that it has shut down.
 * - `missed`: the storage has no record of it.
 * - `silent`: its dead time is over.
 * - `stated`: another node has stated its death and released its runs.
 * - `settled`: the reaper found no run of it.
 */
export type PeerEvent = 'owns' | 'read' | 'beat' | 'ended' | 'missed' | 'silent' | 'stated' | 'settled'

type Transitions = Readonly<Partial<Record<PeerEvent, PeerState>>>

/** The next state. An event that a row does not name leaves the state as it is. */
const transitions: Readonly<Record<PeerState, Transitions>> = {
  unknown: { owns: 'unrecorded', read: 'present', beat: 'present', ended: 'ended' },
  unrecorded: {
    read: 'present',
    beat: 'present',
    ended: 'ended',
    silent: 'dead_absent',
    stated: 'unknown',
    settled: 'unknown',
  },
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

/** Whether the last look found a node record. */
export function hasRecord(state: PeerState): boolean {
  return state === 'present' || state === 'dead' || state === 'settled' || state === 'ended'
}

/** What other parts of the node hear of a transition: a death, or that a peer that was declared dead is alive. */
export function newsOf(from: PeerState, event: PeerEvent): 'lost' | 'revived' | null {
  const to = nextState(from, event)
  if (isDead(from)) return to === 'present' || to === 'ended' ? 'revived' : null
  return isDead(to) || (event === 'stated' && from !== 'unknown' && from !== 'ended') ? 'lost' : null
}
