import { afterThisTurn } from '@jobistemer/core/storage'
import { CliError } from './cli-error.ts'
import type { Context } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { text } from './output/rendered.ts'
import { progressOf } from './progress.ts'

/** One item of a bulk command, with the result of the action on this item. */
export interface BulkOutcome<T, R> {
  readonly item: T
  readonly result: R
}

/** Number of calls that run concurrently. After Ctrl-C, the command waits for these calls. */
const atOnce = 8

/**
 * Applies `act` to each item and shows the progress. After Ctrl-C or an error, no further calls start, and this function
 * waits for the calls in progress.
 * @throws after Ctrl-C: CliError with the number of finished items; after errors of `act`: the first of these errors
 */
export async function doToAll<T, R>(
  context: Context,
  items: readonly T[],
  { verb, act }: { readonly verb: string; readonly act: (item: T) => Promise<R> },
): Promise<readonly BulkOutcome<T, R>[]> {
  const done: BulkOutcome<T, R>[] = []
  const failures: unknown[] = []
  const waiting = [...items]
  const progress = progressOf(context, { verb, total: items.length })
  const work = async (): Promise<void> => {
    for (;;) {
      // SQLite answers within one turn of the event loop, and Node.js calls the listener of Ctrl-C between two turns. So without
      // this wait, Ctrl-C would have no effect before the last item.
      await new Promise<void>((resolve) => afterThisTurn(resolve))
      if (failures.length > 0 || context.signal.aborted) return
      const item = waiting.shift()
      if (item === undefined) return
      try {
        done.push({ item, result: await act(item) })
      } catch (error) {
        failures.push(error)
      }
      progress.show(done.length)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  progress.end()
  if (context.signal.aborted) {
    throw new CliError({
      code: 'INTERRUPTED',
      message: `Stopped by Ctrl-C: ${verb} ${done.length} of ${items.length}.`,
      remedy: 'The same command continues with the remaining ones.',
      exitCode: exitCodes.interrupted,
    })
  }
  if (failures.length > 0) {
    if (done.length > 0) context.err.line(text`${verb} ${done.length} of ${items.length} before the error.`)
    throw failures[0]
  }
  return done
}
