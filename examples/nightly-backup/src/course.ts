import type { Occurrence } from '@jobistemer/core'
import { backupSchedule, jobName, taskNames } from './backup-job.ts'
import { describeChanges } from './ledger-changes.ts'
import { LedgerWatch } from './ledger-watch.ts'
import { loadLedger } from './ledgers/ledger-kinds.ts'
import { lineOf, tableOf } from './live-table.ts'
import { anyNode, type NodeOf, nodesOf } from './nodes.ts'
import { restart } from './restart.ts'
import type { PictureLine, Screen } from './screen.ts'
import type { Interruption, Kill, Stage } from './stage.ts'
import { printBytes, printSlot } from './style.ts'
import { Supervisor } from './supervisor.ts'
import { takeover } from './takeover.ts'
import { readWitness } from './witness.ts'
import type { WorkerSettings } from './worker-messages.ts'

/**
 * Minimum time between a message to a node and the slot that the message names, in ms. The message tells the node to let its
 * handler wait in the middle of the slot's run.
 */
const tellMarginMs = 300
/**
 * Maximum time without a change of the ledger, in ms, in addition to the execution timeout. After this time, the demo
 * fails.
 */
const longestSilenceMs = 6 * 60_000

export interface CourseOptions {
  readonly nodes: readonly string[]
  readonly settings: Omit<WorkerSettings, 'node'>
  /** The file to which each handler appends a line at its start and at its end. */
  readonly witness: string
  readonly screen: Screen
  readonly signal: AbortSignal
}

export interface CourseOutcome {
  readonly slots: readonly Date[]
  readonly occurrences: readonly Occurrence[]
  /** The kill of a node; `null` if no run could be interrupted. */
  readonly kill: Kill | null
  readonly nodeOf: NodeOf
}

/** Runs the demo from the start of its nodes to their end: shows all changes of the ledger, and kills a node. */
export async function runCourse(options: CourseOptions): Promise<CourseOutcome> {
  const { nodes, settings, screen, signal } = options
  const storage = (await loadLedger(settings.ledger.kind)).open(settings.ledger.location)
  const supervisor = new Supervisor()
  const nodeOf = () => (nodes.length === 1 ? anyNode : nodesOf(readWitness(options.witness)))
  let slots: readonly Date[] = []
  const watch = new LedgerWatch({
    storage,
    jobName,
    longestSilenceMs: longestSilenceMs + settings.executionTimeoutMs,
    onLook: (before, now) => {
      // These lines are read only now, after `LedgerWatch` has read the ledger. A handler writes its lines before the
      // ledger shows the end of its attempt. So these lines name the node of each ended attempt whose handler was called.
      const known = nodeOf()
      if (screen.live)
        screen.show(picture({ screen, slots, occurrences: now.occurrences, nodes, supervisor, nodeOf: known }))
      else for (const change of describeChanges(before, now, known)) screen.say(`  ${change}`)
    },
  })
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  // Avoids an unhandled rejection if the demo is aborted while no caller waits in `expect`.
  stopped.catch(() => undefined)
  const expect = <T>(promise: Promise<T>): Promise<T> =>
    Promise.race([promise, supervisor.crashed, watch.failed, stopped])
  const settingsOf = (node: string) => ({ ...settings, node })

  try {
    for (const node of nodes) supervisor.start(settingsOf(node))
    const started = await expect(Promise.all(nodes.map((node) => supervisor.message(node, 'started'))))
    slots = slotsFrom(
      started.map(({ nextMs }) => nextMs),
      settings,
    )
    const stage: Stage = { screen, supervisor, watch, settingsOf, slots, expect }
    const processes = nodes.map((node) => `${node} is process ${supervisor.processOf(node)}`)
    screen.say(`nodes     ${processes.join(', ')}; this process only reads the ledger`)
    if (!screen.live) screen.say('')
    const kill = await interrupt(stage, nodes)
    await expect(watch.until(allEnded(slots)))
    await supervisor.stop()
    watch.stop()
    const occurrences = await watch.look()
    screen.clear()
    screen.say(
      `→ All ${slots.length} slots are settled, and ${nodes.length === 1 ? 'the node has' : 'the nodes have'} ended.`,
      '',
    )
    return { slots, occurrences, kill, nodeOf: nodeOf() }
  } finally {
    watch.stop()
    await supervisor.stop()
    screen.clear()
    await storage.close()
  }
}

/** Kills a node in the middle of a task, and waits until another process continues the run. */
async function interrupt(stage: Stage, nodes: readonly string[]): Promise<Kill | null> {
  const { screen, supervisor, watch, slots, expect } = stage
  // With one node, the demo kills the node during the third slot at the earliest. With two nodes, it kills one of them
  // during the second slot at the earliest. This kill comes earlier, because a takeover takes longer than a restart.
  const earliest = slots[nodes.length === 1 ? 2 : 1]?.getTime() ?? Number.POSITIVE_INFINITY
  const slot = slots.find((one) => one.getTime() >= Math.max(earliest, Date.now() + tellMarginMs))
  if (slot === undefined) throw new Error('The nodes took too long to start. Try a longer --seconds.')
  for (const node of nodes) supervisor.tell(node, { standStillAtMs: slot.getTime() })
  const standingStill = nodes.map((node): Promise<Interruption> => supervisor.message(node, 'standing-still'))
  // A handler waits for the kill in the middle of the task `compress`. If the database cannot be backed up, every run fails
  // before that point. Then all occurrences end without an interruption, and this function returns `null`.
  const interruption = await expect(Promise.race([...standingStill, watch.until(allEnded(slots))]))
  if (interruption === undefined) return null
  const { node, scheduledMs, doneBytes, totalBytes } = interruption
  await watch.look()
  screen.say(
    `→ ${printSlot(new Date(scheduledMs))} is in the middle of 'compress' on node ${node} (${printBytes(doneBytes)} of ${printBytes(totalBytes)}).`,
    `  Killing node ${node}, process ${supervisor.processOf(node)}, with SIGKILL.`,
  )
  await supervisor.kill(node)
  const successor = nodes.find((other) => other !== node)
  return await (successor === undefined ? restart(stage, interruption) : takeover(stage, interruption, successor))
}

/** Returns the slots of the demo. Each started node reports its next slot; the earliest reported slot is the first one. */
function slotsFrom(
  nextMs: readonly (number | null)[],
  { seconds, startMs, endMs }: CourseOptions['settings'],
): readonly Date[] {
  const first = Math.min(...nextMs.map((ms) => ms ?? Number.POSITIVE_INFINITY))
  const schedule = backupSchedule(seconds, { start: new Date(startMs), end: new Date(endMs) })
  return first <= endMs ? [...schedule.between(first, endMs + 1)] : []
}

function allEnded(slots: readonly Date[]): (occurrences: readonly Occurrence[]) => boolean {
  return (occurrences) => {
    const ended = new Set(occurrences.filter(({ finishedAt }) => finishedAt !== null).map((one) => +one.scheduledAt))
    return slots.every((slot) => ended.has(+slot))
  }
}

function picture(options: {
  readonly screen: Screen
  readonly slots: readonly Date[]
  readonly occurrences: readonly Occurrence[]
  readonly nodes: readonly string[]
  readonly supervisor: Supervisor
  readonly nodeOf: NodeOf
}): readonly PictureLine[] {
  const { screen, slots, occurrences, nodes, supervisor, nodeOf } = options
  const { paint } = screen
  // One column stays unused, because a terminal may break the line in its last column.
  const columns = screen.columns - 1
  const states = nodes.flatMap((node) => {
    const process = supervisor.processOf(node)
    const text = process === null ? `node ${node} is dead` : `node ${node}: process ${process}`
    return [{ tone: process === null ? 'bad' : 'quiet', text: `  ${text}` } as const]
  })
  return [
    { text: '', width: 0 },
    ...tableOf({ taskNames, slots, occurrences, nodeOf, now: new Date(), columns, paint }).lines,
    { text: '', width: 0 },
    lineOf(states, columns, paint),
  ]
}
