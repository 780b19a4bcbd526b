import { JobistemerError, printValue } from '../../errors.ts'
import type { NodeRecord } from '../../storage/node-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { Heartbeats } from './heartbeats.ts'
import { lives } from './process-mark.ts'

/** Heartbeat intervals for which `claim` waits: a living node sends at least one heartbeat meanwhile. */
const beatsWithin = 2

/** Checks that no other living node has the name of this node: at the start (`claim`), and after each heartbeat. */
export class NodeName {
  readonly #engine: EngineContext
  readonly #heartbeats: Heartbeats
  readonly #heartbeatMs: number
  readonly #reported = new Set<string>()

  constructor(engine: EngineContext, options: { readonly heartbeats: Heartbeats; readonly heartbeatMs: number }) {
    this.#engine = engine
    this.#heartbeats = options.heartbeats
    this.#heartbeatMs = options.heartbeatMs
  }

  /**
   * Resolves with the records of earlier lives of this node, if no other node of this name lives.
   * @throws JobistemerError `NODE_ID_IN_USE`
   */
  async claim(): Promise<readonly NodeRecord[]> {
    const { agenda, owner, isOnSystemClock, logger } = this.#engine
    const { nodes } = await this.#heartbeats.look()
    const earlier = nodes.filter(({ node }) => node === owner.node)
    // Under a virtual clock all nodes are in one process. The test that made them knows which of them live.
    if (!isOnSystemClock) return earlier
    const doubtful = earlier.filter((record) => {
      if (record.leaving) return false
      const isAlive = lives(record.incarnation, record.about.process)
      if (isAlive === true) throw inUse(record)
      return isAlive === null
    })
    if (doubtful.length === 0) return earlier
    logger.info({ node: owner.node }, 'nodeId is already registered; checking whether that node is alive')
    await new Promise<void>((ring) => agenda.setAlarm({ at: 0, heapIndex: -1, ring }, beatsWithin * this.#heartbeatMs))
    const { nodes: later } = await this.#heartbeats.look()
    const counters = new Map(later.map((record) => [record.incarnation, record.counter]))
    for (const record of doubtful) {
      if ((counters.get(record.incarnation) ?? record.counter) !== record.counter) throw inUse(record)
    }
    return earlier
  }

  /**
   * Logs an error for each other living node of this name, once per incarnation. Two nodes that start at the same moment do
   * not see each other in `claim`.
   */
  reportOthers(records: readonly NodeRecord[]): void {
    const { owner, logger } = this.#engine
    for (const record of records) {
      const { node, incarnation } = record
      if (node !== owner.node || incarnation === owner.incarnation || record.leaving) continue
      if (this.#reported.has(incarnation) || lives(incarnation, record.about.process) === false) continue
      // Only a counter that has moved in this look shows that the node lives. A later heartbeat is reported instead.
      if (!this.#heartbeats.peers.hasBeaten(incarnation) || record.counter <= 1) continue
      this.#reported.add(incarnation)
      logger.error({ err: inUse(record) }, 'two living nodes have one name')
    }
  }
}

function inUse({ node, incarnation }: NodeRecord): JobistemerError {
  return new JobistemerError('NODE_ID_IN_USE', {
    message: `A living node already has the name ${printValue(node)}, as incarnation ${incarnation}.`,
    field: 'nodeId',
    value: node,
    remedy:
      'Give each node a unique name, or omit nodeId. If this node replaces the other node, shut the other node down first.',
  })
}
