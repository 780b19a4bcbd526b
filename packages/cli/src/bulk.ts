import { CliError } from './cli-error.ts'
import type { Context } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { text } from './output/rendered.ts'
import { progressOf } from './progress.ts'

/** What became of one thing of many. */
export interface BulkOutcome<T, R> {
  readonly item: T
  readonly result: R
}

/** So many at once: a storage gathers them, and Ctrl-C has little to wait for. */
const atOnce = 8

/**
 * Does the same to many things, and tells how far it is; Ctrl-C begins nothing more.
 * @throws CliError that says how far it came, when it was stopped; what the first failing one threw, after those under way
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
    while (failures.length === 0 && !context.signal.aborted) {
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
      remedy: 'The same command goes on with the others.',
      exitCode: exitCodes.interrupted,
    })
  }
  if (failures.length > 0) {
    if (done.length > 0) context.err.line(text`${verb} ${done.length} of ${items.length} before the error.`)
    throw failures[0]
  }
  return done
}
