import { readFileSync, readlinkSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import type { JsonObject } from '../../json.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { orElse } from '../../or-else.ts'
import { systemClock } from '../../system-clock.ts'
import type { NodeRecord } from '../../storage/node-record.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { Heartbeats } from './heartbeats.ts'
import { answersWithin } from './tuning.ts'

/**
 * Identifies the process of a node, so that other nodes on the same machine can check whether the process lives. The mark
 * proves nothing on other platforms than Linux, on another machine, or in another container.
 */
export interface ProcessMark extends JsonObject {
  /** Identifies one boot of one machine, and the namespace of its process ids. */
  readonly machine: string
  readonly pid: number
  /**
   * Start of the process, in clock ticks since the boot of the machine. The start distinguishes processes with the same
   * process id.
   */
  readonly began: string
  /** Thread id of the node in its process, as `worker_threads` counts threads. */
  readonly thread: number
}

const livingKey = Symbol.for('jobistemer.incarnations')
const store = globalThis as { [livingKey]?: Set<string> }
store[livingKey] ??= new Set()
/** Incarnations of nodes that live in this thread. All copies of this package in a thread share the set. */
const livingHere = store[livingKey]

/** Returns the mark of this process; `null` if this platform does not identify processes reliably. */
export function ownProcessMark(): ProcessMark | null {
  const began = beganAt(process.pid)
  const machine = machineMark()
  return began === null || machine === null ? null : { machine, pid: process.pid, began, thread: threadId }
}

/**
 * Returns whether an incarnation lives, by the process mark in its node record. `null`: unknown, for example because it runs
 * on another machine.
 */
function lives(incarnation: string, mark: unknown): boolean | null {
  if (livingHere.has(incarnation)) return true
  const own = ownProcessMark()
  const { machine, pid, began, thread } = Object(mark) as Partial<ProcessMark>
  if (own === null || machine !== own.machine || pid === undefined || began === undefined) return null
  if (pid === own.pid && began === own.began) return thread === own.thread ? false : null
  return beganAt(pid) === began
}

function machineMark(): string | null {
  const read = () =>
    `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${readlinkSync('/proc/self/ns/pid')}`
  return orElse(read, null)
}

/** Returns the start of a process; `null` if the process does not exist or is a zombie. */
function beganAt(pid: number): string | null {
  const stat = orElse(() => readFileSync(`/proc/${pid}/stat`, 'latin1'), '')
  // The second field of `/proc/PID/stat` is the program's name, which may contain spaces and parentheses. The other fields
  // follow the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null)
}

/** Checks at the start and after each heartbeat that no other living node has this node's name. */
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
   * Reserves the name of this node. Resolves with the records of its earlier lives.
   * @throws JobistemerError `NODE_ID_IN_USE` if another living node has the name
   */
  async claim(): Promise<readonly NodeRecord[]> {
    const earlier = await this.#earlierLives()
    livingHere.add(this.#engine.owner.incarnation)
    return earlier
  }

  /** Called when this node has ended. From then on, another node in this thread may use the name. */
  release(): void {
    livingHere.delete(this.#engine.owner.incarnation)
  }

  async #earlierLives(): Promise<readonly NodeRecord[]> {
    const { agenda, owner, clock, logger } = this.#engine
    const { nodes } = await this.#heartbeats.look()
    const earlier = nodes.filter(({ node }) => node === owner.node)
    // Under a virtual clock, all nodes are in one process, and the test decides which of them live. So no check for a living
    // node with the same name is made.
    if (clock !== systemClock) return earlier
    const doubtful = earlier.filter((record) => {
      // A new node may take the name of a node that is leaving. At its start, the new node reaps the runs that the
      // leaving node still has.
      if (record.leaving) return false
      const isAlive = lives(record.incarnation, record.about.process)
      if (isAlive === true) throw inUse(record)
      return isAlive === null
    })
    if (doubtful.length === 0) return earlier
    logger.info({ node: owner.node }, 'nodeId is already registered; checking whether that node is alive')
    await agenda.endsWithin(null, answersWithin * this.#heartbeatMs)
    const { nodes: later } = await this.#heartbeats.look()
    const counters = new Map(later.map((record) => [record.incarnation, record.counter]))
    for (const record of doubtful) {
      if ((counters.get(record.incarnation) ?? record.counter) !== record.counter) throw inUse(record)
    }
    return earlier
  }

  /**
   * Logs an error for each other living node that has this node's name, once per incarnation. `claim` misses a node that starts
   * at the same time as this node. Calls of this method find it later.
   */
  reportOthers(records: readonly NodeRecord[]): void {
    const { owner, logger } = this.#engine
    for (const record of records) {
      const { node, incarnation } = record
      if (node !== owner.node || incarnation === owner.incarnation || record.leaving) continue
      if (this.#reported.has(incarnation) || lives(incarnation, record.about.process) === false) continue
      // Before its counter has grown, the record may be of an earlier life of this node.
      if (this.#heartbeats.peers.get(incarnation)?.isProven !== true) continue
      this.#reported.add(incarnation)
      logger.error({ err: inUse(record) }, 'another living node has the nodeId of this node')
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
