import type { BackfillResult } from '@jobistemer/core'
import { systemClock } from '@jobistemer/core'
import { CliError } from './cli-error.ts'
import type { Context } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { progressOf } from './progress.ts'

/** Command lines, for people to copy. */
export interface BackfillCommands {
  /** Goes on with it. */
  readonly same: string
  readonly stop: string
}

/** It is looked so often. */
const lookMs = 1000

/**
 * Looks at a backfill until it is over. A terminal has a bar, elsewhere there is a line now and then.
 * @throws CliError that says how far it is, when somebody stops watching
 */
export async function watchBackfill(
  context: Context,
  {
    name,
    begun,
    commands,
    look,
  }: {
    readonly name: string
    readonly begun: BackfillResult
    readonly commands: BackfillCommands
    readonly look: () => Promise<BackfillResult>
  },
): Promise<BackfillResult> {
  const progress = progressOf(context, { verb: `${name}:`, total: toDoOf(begun), isLong: true })
  let present = begun
  try {
    while (present.open + present.live > 0 && !context.signal.aborted) {
      progress.show(doneOf(present), present.failed > 0 ? `, ${present.failed} failed` : '')
      await pause(context.signal)
      if (!context.signal.aborted) present = await look()
    }
  } catch (error) {
    if (!context.signal.aborted) throw error
  } finally {
    progress.end()
  }
  if (present.open + present.live === 0) return present
  throw new CliError({
    code: 'INTERRUPTED',
    message: `Watched until Ctrl-C: ${doneOf(present)} of ${toDoOf(present)} of ${name} are done, and the nodes go on.`,
    remedy: `${commands.same} watches it again; ${commands.stop} stops it.`,
    exitCode: exitCodes.interrupted,
  })
}

function doneOf({ completed, failed, canceled }: BackfillResult): number {
  return completed + failed + canceled
}

function toDoOf({ slots, passed }: BackfillResult): number {
  return slots - passed
}

/** By the machine's clock, whatever the program takes for the present time. */
function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = systemClock.setTimer(lookMs, resolve)
    signal.addEventListener('abort', () => {
      timer.cancel()
      resolve()
    })
  })
}
