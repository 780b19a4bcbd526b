import type { JobInfo } from '@jobistemer/core'
import { CliError } from './cli-error.ts'
import type { CommandOption, Context } from './command.ts'
import { jobOf } from './job-of.ts'
import { readText } from './values.ts'

/** The options by which a command selects jobs. A job must match all given options. */
export interface JobSelection {
  readonly owner?: string
  readonly match?: string
  readonly tag?: string
}

/** The command-line options `--owner`, `--tag` and `--match`, which select jobs. */
export const selectionOptions: readonly CommandOption[] = [
  { flags: '--owner <tag>', description: 'all jobs with this owner tag', parse: readText('--owner') },
  { flags: '--tag <tag>', description: 'all jobs with this tag', parse: readText('--tag') },
  { flags: '--match <text>', description: 'all jobs whose name contains this', parse: readText('--match') },
]

/** The jobs that the command line selects. */
export interface SelectedJobs {
  /**
   * If the user gives names: all these names. If the user gives `--owner`, `--tag` or `--match`: the names of the matching
   * jobs that need the change.
   */
  readonly names: readonly string[]
  /** The given names of jobs that need no change. Empty if the user gives `--owner`, `--tag` or `--match`. */
  readonly unwanted: readonly string[]
  readonly areMatched: boolean
}

/**
 * Returns the selected jobs.
 * @throws CliError if the command line selects no jobs, or names a job that does not exist
 */
export async function selectJobs(
  context: Context,
  named: readonly string[],
  { owner, match, tag }: JobSelection,
  isWanted: (job: JobInfo) => boolean,
): Promise<SelectedJobs> {
  const isMatching = owner !== undefined || match !== undefined || tag !== undefined
  if (named.length > 0 === isMatching) {
    throw new CliError({
      code: 'USAGE',
      message: 'No jobs are given: neither names nor an owner, a tag or a text to match.',
      field: 'NAME',
      remedy: 'Give names, or --owner, --tag or --match.',
    })
  }
  if (!isMatching) {
    // Checks all names first, so that the command changes no job if one job does not exist.
    const found: JobInfo[] = []
    for (const name of named) found.push(await jobOf(context, name))
    const unwanted = found.filter((job) => !isWanted(job)).map(({ name }) => name)
    return { names: named, unwanted, areMatched: false }
  }
  const filter = {
    ...(owner !== undefined && { owner }),
    ...(match !== undefined && { text: match }),
    ...(tag !== undefined && { tag }),
  }
  const names = await namesOf(context, filter, isWanted)
  return { names, unwanted: [], areMatched: true }
}

/** Returns the names of all jobs that match a filter. */
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
