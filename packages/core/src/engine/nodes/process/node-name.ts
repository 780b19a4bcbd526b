import { JobistemerError, printValue } from '../../../errors.ts'
import type { NodeRecord } from '../../../storage/node-record.ts'
import type { EngineContext } from '../../loop/engine-context.ts'
import type { Peers } from '../peers.ts'
import { lives } from './process-mark.ts'

/** Watches that this node's name belongs to one living node alone. */
export class NodeName {
  readonly #engine: EngineContext
  readonly #reported = new Set<string>()
  #earlierLives: readonly NodeRecord[] = []

  constructor(engine: EngineContext) {
    this.#engine = engine
  }

  /** Records of this node's name, as they were at its start. */
  get earlierLives(): readonly NodeRecord[] {
    return this.#earlierLives
  }

  /** Returns the records of earlier lives and forgets them: the caller removes them from the storage. */
  takeEarlierLives(): readonly NodeRecord[] {
    const records = this.#earlierLives
    this.#earlierLives = []
    return records
  }

  /**
   * Resolves if no other node of this name lives. `look` reads the node records; `waitForBeat` resolves when each living
   * node has sent a heartbeat. @throws JobistemerError `NODE_ID_IN_USE`
   */
  async assertFree(look: () => Promise<readonly NodeRecord[]>, waitForBeat: () => Promise<void>): Promise<void> {
    const { owner, isOnSystemClock, logger } = this.#engine
    this.#earlierLives = (await look()).filter(({ node }) => node === owner.node)
    // Under another clock all nodes are in one process, and its owner knows which of them live.
    if (!isOnSystemClock) return
    const doubtful = this.#earlierLives.filter((record) => {
      if (record.leaving) return false
      const isAlive = lives(record.incarnation, record.about.process)
      if (isAlive === true) throw inUse(record)
      return isAlive === null
    })
    if (doubtful.length === 0) return
    logger.info({ node: owner.node }, 'nodeId is already registered; checking whether that node is alive')
    await waitForBeat()
    const counters = new Map((await look()).map((record) => [record.incarnation, record.counter]))
    for (const record of doubtful) {
      if ((counters.get(record.incarnation) ?? record.counter) !== record.counter) throw inUse(record)
    }
  }

  /** Reports a living node of this name. Two nodes that start at the same moment do not see each other at their start. */
  reportOthers(records: readonly NodeRecord[], peers: Peers): void {
    const { owner, logger } = this.#engine
    for (const record of records) {
      const { node, incarnation } = record
      if (node !== owner.node || incarnation === owner.incarnation || record.leaving) continue
      if (this.#reported.has(incarnation) || lives(incarnation, record.about.process) === false) continue
      // Its next heartbeat shows whether it lives.
      if (peers.silentForMs(incarnation) > 0 || record.counter <= 1) continue
      this.#reported.add(incarnation)
      logger.error({ err: inUse(record) }, 'two living nodes have one name')
    }
  }
}

function inUse({ node, incarnation }: NodeRecord): JobistemerError {
  return new JobistemerError('NODE_ID_IN_USE', {
    message: `A node of the name ${printValue(node)} lives already, as incarnation ${incarnation}.`,
    field: 'nodeId',
    value: node,
    remedy:
      'Give each node a name of its own, or leave nodeId out; shut the other one down first if this is to replace it.',
  })
}
