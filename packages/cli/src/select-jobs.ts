import type { JobInfo } from '@jobistemer/core'
import { CliError } from './cli-error.ts'
import type { CommandOption, Context } from './command.ts'
import { jobOf } from './job-of.ts'
import { readText } from './values.ts'

/** Which jobs a command means: all that match. */
export interface JobSelection {
  readonly owner?: string
  readonly match?: string
  readonly tag?: string
}

/** The options of it. */
export const selectionOptions: readonly CommandOption[] = [
  { flags: '--owner <tag>', description: 'all jobs with this owner tag', parse: readText('--owner') },
  { flags: '--tag <tag>', description: 'all jobs with this tag', parse: readText('--tag') },
  { flags: '--match <text>', description: 'all jobs whose name contains this', parse: readText('--match') },
]

/** Names of the jobs that are meant, and whether they were named one by one. Of those that match, only the wanted ones. */
export async function selectJobs(
  context: Context,
  named: readonly string[],
  { owner, match, tag }: JobSelection,
  isWanted: (job: JobInfo) => boolean,
): Promise<{ readonly names: readonly string[]; readonly areMatched: boolean }> {
  const isMatching = owner !== undefined || match !== undefined || tag !== undefined
  if (named.length > 0 === isMatching) {
    throw new CliError({
      code: 'USAGE',
      message: 'It is not said which jobs are meant: by their names, or by what they have in common.',
      field: 'NAME',
      remedy: 'Give names, or --owner, --tag or --match.',
    })
  }
  if (!isMatching) {
    // All are looked for before anything is done to one of them.
    for (const name of named) await jobOf(context, name)
    return { names: named, areMatched: false }
  }
  const filter = {
    ...(owner !== undefined && { owner }),
    ...(match !== undefined && { text: match }),
    ...(tag !== undefined && { tag }),
  }
  const names = await namesOf(context, filter, isWanted)
  return { names, areMatched: true }
}

/** Names of all jobs that a filter lets through. */
async function namesOf(
  context: Context,
  filter: { readonly owner?: string; readonly text?: string; readonly tag?: string },
  isWanted: (job: JobInfo) => boolean,
): Promise<readonly string[]> {
  const client = await context.client()
  const names: string[] = []
  let cursor: string | null = null
  do {
    const page = await client.jobs({ ...filter, limit: 1000, cursor }, context.call)
    names.push(...page.items.filter(isWanted).map(({ name }) => name))
    cursor = page.cursor
  } while (cursor !== null)
  return names
}
