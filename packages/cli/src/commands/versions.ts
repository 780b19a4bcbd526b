import type { JobVersion } from '@jobistemer/core'
import type { Command, Context } from '../command.ts'
import { withNearNames } from '../job-of.ts'
import { changedPartTexts } from '../output/changed-parts.ts'
import { text } from '../output/rendered.ts'
import { readCount } from '../values.ts'

/** `jobistemer versions`. */
export const versions: Command = {
  description:
    'Lists the versions of a job with their changes, newest first. Pruning the history removes old versions.',
  arguments: '<name>',
  options: [
    {
      flags: '-n, --limit <count>',
      description: 'maximum number of versions (default: 20)',
      default: 20,
      parse: readCount('--limit', 1, 999),
    },
  ],
  examples: [
    ['versions nightly-report', 'what was changed, and when'],
    ['versions nightly-report -n 1 --json', 'the one in force, for a program'],
  ],
  async run(context: Context, [name = ''], { limit }: { readonly limit: number }) {
    const client = await context.client()
    // Reads one more version than `limit`, to compare the last listed version with its predecessor.
    const found = await withNearNames(context, name, () => client.versions(name, { limit: limit + 1, ...context.call }))
    const shown = found.slice(0, limit)
    const { out, times } = context
    if (out.isJson) return out.json({ job: name, versions: shown })
    for (const [index, one] of shown.entries()) {
      if (index > 0) out.line()
      const force = index === 0 ? ', in force' : ''
      out.line(text`${out.styles.bold(`version ${one.version}`)}  from ${times.full(one.createdAt)}${force}`)
      printChanges(context, one, found[index + 1])
    }
  },
}

function printChanges({ out }: Context, one: JobVersion, before: JobVersion | undefined): void {
  out.fields([
    ['  by', one.actor],
    ['  reason', one.reason],
  ])
  if (one.version === 1) out.line('  the first')
  else if (before?.version !== one.version - 1) out.line('  the version before it is not kept')
  else if (one.changes.length === 0) out.line('  no difference')
  else out.fields(changedPartTexts(one.changes, '  '))
}
