import type { Interruption, Kill, Stage } from './stage.ts'
import { printDuration, printSlot } from './style.ts'

/** Grace period in ms: another node may take over an occurrence only this long after its execution timeout. */
const graceMs = 10_000

/** Waits until the other node has taken over the run of the killed node, and starts the killed node again. */
export async function takeover(stage: Stage, interruption: Interruption, successor: string): Promise<Kill> {
  const { screen, supervisor, watch, settingsOf, expect } = stage
  const { node, scheduledMs } = interruption
  const { executionTimeoutMs } = settingsOf(node)
  const before = (await watch.look()).find(({ scheduledAt }) => scheduledAt.getTime() === scheduledMs)
  const takeoverAt = new Date((before?.startedAt?.getTime() ?? scheduledMs) + executionTimeoutMs + graceMs)
  screen.say(
    `→ Node ${node} is dead. Node ${successor} may take over when the execution timeout (${printDuration(executionTimeoutMs)}) and`,
    `  ${graceMs / 1000} s of grace have passed, at ${printSlot(takeoverAt)}, or when ${node} has been silent for its deadAfter.`,
    '  Until then slots that come due wait in the ledger.',
  )
  await expect(
    watch.until((occurrences) =>
      occurrences.some(
        ({ scheduledAt, fencingToken }) =>
          scheduledAt.getTime() === scheduledMs && fencingToken > (before?.fencingToken ?? 0),
      ),
    ),
  )
  supervisor.start(settingsOf(node))
  screen.say(
    `→ Node ${successor} has taken over ${printSlot(new Date(scheduledMs))}, and goes on with 'compress'.`,
    `  Node ${node} is started again as process ${supervisor.processOf(node)}, to be there for the slots to come.`,
  )
  return { node, successor }
}
