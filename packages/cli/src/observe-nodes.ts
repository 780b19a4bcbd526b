import type { Clock } from '@jobistemer/core'
import type { NodeRecord, Storage } from '@jobistemer/core/storage'

/** A node, and whether the observation found it alive. */
export interface ObservedNode {
  readonly record: NodeRecord
  /**
   * `true`: the node's heartbeat counter changed during the observation. `false`: the counter did not change, although
   * the observation was long enough for two heartbeats. `null`: the observation was too short to decide whether the
   * node lives.
   */
  readonly isAlive: boolean | null
}

/** Interval between two reads of the heartbeats, in ms. */
const lookEveryMs = 250

/**
 * Watches heartbeats until each node has sent one, for at most `forMs`. A node record alone does not prove that the node lives:
 * the record of a dead node remains until another node has taken over its runs.
 */
export async function observeNodes(
  storage: Storage,
  { clock, forMs, signal }: { readonly clock: Clock; readonly forMs: number; readonly signal: AbortSignal },
): Promise<readonly ObservedNode[]> {
  const look = async (): Promise<readonly NodeRecord[]> =>
    (await storage.heartbeat({ now: clock.now(), own: null, remove: [], profilesOf: [] })).nodes
  let nodes = await look()
  const first = new Map(nodes.map(({ incarnation, counter }) => [incarnation, counter]))
  const hasMoved = ({ incarnation, counter }: NodeRecord): boolean => first.get(incarnation) !== counter
  const endAt = clock.monotonic() + forMs
  while (!nodes.every((node) => hasEnded(node) || hasMoved(node)) && clock.monotonic() < endAt) {
    await wait(clock, Math.min(lookEveryMs, endAt - clock.monotonic()), signal)
    nodes = await look()
  }
  // Nodes send a heartbeat every 5 s, on DynamoDB every 10 s. If the observation is shorter than two of these
  // intervals, it cannot show that a node is dead.
  const isLongEnough = forMs >= 2 * (storage.capabilities.heartbeatMs ?? 5000)
  return nodes.map((record) => ({ record, isAlive: hasMoved(record) ? true : isLongEnough ? false : null }))
}

/** Returns whether a node has shut down. Its last heartbeat records the shutdown. */
export function hasEnded({ about }: NodeRecord): boolean {
  return about.ended === true
}

function wait(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const timer = clock.setTimer(delayMs, () => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
    const abort = (): void => {
      timer.cancel()
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
  })
}
