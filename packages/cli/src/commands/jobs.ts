import type { JobInfo } from '@jobistemer/core'
import type { FinalState } from '@jobistemer/core/storage'
import type { Command, Context } from '../command.ts'
import { text } from '../output/rendered.ts'
import type { Cell } from '../output/table.ts'
import { allStates, stateCell } from '../output/states.ts'
import { readCount, readList, readText } from '../values.ts'

interface Options {
  readonly owner?: string
  readonly match?: string
  readonly tag?: string
  readonly outcome?: readonly FinalState[]
  readonly paused?: boolean
  readonly limit?: number
  readonly cursor?: string
  readonly names?: true
}

/** Maximum number of jobs that `jobistemer jobs` lists on one page. */
const mostJobs = 10_000

const finalStateNames = allStates.filter(
  (state): state is FinalState & (typeof allStates)[number] => !['pending', 'queued', 'running'].includes(state),
)

/** `jobistemer jobs`. */
export const jobs: Command = {
  description: 'Lists the stored jobs by name; more than 10,000 jobs in the order of the storage.',
  arguments: '[text]',
  options: [
    { flags: '--owner <tag>', description: 'only jobs with this owner tag', parse: readText('--owner') },
    { flags: '--tag <tag>', description: 'only jobs with this tag', parse: readText('--tag') },
    {
      flags: '--outcome <states>',
      description: `only jobs whose last run ended in one of these states, separated by commas: ${finalStateNames.join(', ')}`,
      parse: readList('--outcome', finalStateNames),
    },
    { flags: '--paused', description: 'only paused jobs' },
    { flags: '--no-paused', description: 'only jobs that are not paused' },
    {
      flags: '-n, --limit <count>',
      description: 'maximum number of jobs (default: 100)',
      parse: readCount('--limit', 1, mostJobs),
    },
    {
      flags: '--cursor <cursor>',
      description: 'start of the page: the cursor that the page before printed',
      parse: readText('--cursor'),
    },
    { flags: '--names', description: 'print only the names of all jobs, one on each line, without a limit' },
  ],
  examples: [
    ['jobs', 'the first 100 jobs'],
    ['jobs report --paused', 'the paused ones whose name contains "report"'],
    ['jobs --json --limit 10000', 'many, for a program'],
  ],
  async run(context: Context, [search], { owner, tag, outcome, paused, limit, cursor, names }: Options) {
    const client = await context.client()
    const filter = {
      limit: limit ?? (names === true ? mostJobs : 100),
      ...(names !== true && { include: ['lastRun', 'code'] as const }),
      ...(tag !== undefined && { tag }),
      ...(outcome !== undefined && { lastOutcome: outcome }),
      ...(owner !== undefined && { owner }),
      ...(search !== undefined && { text: search }),
      ...(paused !== undefined && { paused }),
      ...(cursor !== undefined && { cursor }),
    }
    const page = await client.jobs(filter, context.call)
    if (context.out.isJson) return context.out.json({ jobs: page.items, cursor: page.cursor })
    if (names === true) {
      printNames(context, page.items)
      for (let next = page.cursor; next !== null && limit === undefined; ) {
        const more = await client.jobs({ ...filter, cursor: next }, context.call)
        printNames(context, more.items)
        next = more.cursor
      }
      return
    }
    await printJobs(context, page.items)
    if (page.cursor !== null) context.out.line(text`There are more: --cursor ${page.cursor}`)
  },
}

function printNames({ out }: Context, items: readonly JobInfo[]): void {
  for (const { name } of items) out.line(name)
}

async function printJobs({ out, times }: Context, items: readonly JobInfo[]): Promise<void> {
  const stateOf = ({ paused, hasCode }: JobInfo): string | Cell => {
    const pause = paused === null ? [] : [paused.until === null ? 'paused' : `paused until ${times.at(paused.until)}`]
    if (hasCode === false) return { text: [...pause, 'no code'].join(', '), style: out.styles.red }
    return pause[0] === undefined ? 'active' : { text: pause[0], style: out.styles.yellow }
  }
  if (items.length === 0) {
    out.line('No jobs.')
    return
  }
  await out.table(
    [
      { title: 'JOB', shrinks: true },
      { title: 'STATE' },
      { title: 'NEXT' },
      { title: 'IN' },
      { title: 'LAST' },
      { title: 'SCHEDULE', shrinks: true },
      { title: 'OWNER', shrinks: true },
    ],
    items.map((job): readonly (string | Cell)[] => [
      job.name,
      stateOf(job),
      job.nextAt === null ? 'never' : times.at(job.nextAt),
      job.nextAt === null ? '' : times.relative(job.nextAt),
      job.lastRun == null ? '' : stateCell(job.lastRun.state, out.styles),
      job.scheduleDescription ?? job.schedule?.type ?? 'none',
      job.owner ?? '',
    ]),
  )
}
