import { setTimeout as wait } from 'node:timers/promises'
import { misfireThresholdMs } from './backup-job.ts'
import type { Interruption, Kill, Stage } from './stage.ts'
import { printSlot } from './style.ts'

/** Waits until a slot has passed while the demo's only node is dead, and starts the node again. */
export async function restart(stage: Stage, { node, scheduledMs }: Interruption): Promise<Kill> {
  const { screen, supervisor, settingsOf, slots, expect } = stage
  const missed = slots.find((slot) => slot.getTime() > Math.max(scheduledMs, Date.now()))
  if (missed !== undefined) {
    screen.say(`→ Node ${node} is dead. At ${printSlot(missed)} the job is due, and no node is up to run it.`)
    await expect(wait(missed.getTime() + misfireThresholdMs + 200 - Date.now()))
  }
  supervisor.start(settingsOf(node))
  screen.say(
    `→ Started again as process ${supervisor.processOf(node)}: goes on with 'compress'${missed === undefined ? '' : `, makes up ${printSlot(missed)}`}.`,
  )
  return { node, successor: node }
}
