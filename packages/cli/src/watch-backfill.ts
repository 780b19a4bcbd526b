import type { BackfillResult } from '@jobistemer/core'
import { systemClock } from '@jobistemer/core'
import { CliError } from './cli-error.ts'
import type { Context } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { progressOf } from './progress.ts'

/** Command lines that the output shows, so that the user can copy them. */
export interface BackfillCommands {
  /** The command line that watches the backfill again. If the backfill was stopped, this command line continues it. */
  readonly same: string
  readonly stop: string
}

/** Interval between two reads of the backfill, in ms. */
const lookMs = 1000

/**
 * Watches a backfill until it ends, and shows its progress.
 * @throws CliError `INTERRUPTED` if the user presses Ctrl-C; the message states the progress
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
    message: `Watched until Ctrl-C: ${doneOf(present)} of ${toDoOf(present)} of ${name} are done, and the nodes continue.`,
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

/** Waits 1 s by the real clock, because a test may replace the clock of the program. */
function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = systemClock.setTimer(lookMs, resolve)
    signal.addEventListener('abort', () => {
      timer.cancel()
      resolve()
    })
  })
}
