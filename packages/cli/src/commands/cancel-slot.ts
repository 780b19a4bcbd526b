import type { Command, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { withNearNames } from '../job-of.ts'
import { text } from '../output/rendered.ts'
import { readInstant } from '../values.ts'
import { actorOf, interventionOptions } from '../intervention-options.ts'

/** `jobistemer cancel-slot`. */
export const cancelSlot: Command = {
  description: 'Cancels a slot that lies ahead: no node runs it, and it is no longer listed as next.',
  arguments: '<name> <instant>',
  options: interventionOptions,
  examples: [['cancel-slot nightly-report 2026-01-31T02:00:00Z --reason maintenance', 'not that night']],
  exitsWithNo: 'the slot had been decided before',
  async run(
    context: Context,
    [name = '', given = ''],
    { reason, actor }: { readonly reason?: string; readonly actor?: string },
  ) {
    const client = await context.client()
    const at = readInstant(given, { field: 'INSTANT', now: context.now(), isUtc: context.isUtc })
    const options = { actor: actor ?? actorOf(context), ...(reason !== undefined && { reason }), ...context.call }
    const result = await withNearNames(context, name, () => client.cancelSlot(name, at, options))
    const { out, times } = context
    if (out.isJson) out.json({ job: name, at, ...result })
    else
      out.line(
        text`${name} at ${times.at(at)}: ${result.outcome === 'final' ? `was ${result.state} before` : result.outcome}`,
      )
    return result.outcome === 'final' ? exitCodes.no : exitCodes.fine
  },
}
