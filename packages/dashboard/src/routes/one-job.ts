import type { ChangedPart, JobVersion } from '@jobistemer/core'
import { finalStates, liveStates } from '@jobistemer/core/storage'
import { gridOf, jobLineOf, listedJobOf, runLineOf, textOf } from '../lines.ts'
import type { Call, Read } from '../route.ts'
import { shownOf } from '../shown.ts'
import type { GridPage, JobView, Page, Rights, RunLine, VersionView, Wire } from '../wire.ts'

const mostVersions = 50
const acting = ['trigger', 'replay', 'cancel', 'cancelSlot', 'pause', 'resume', 'backfill', 'remove'] as const

/**
 * Returns which actions on a job the page offers. When a user performs an action, the dashboard checks the user's right
 * again.
 */
export async function rightsOf({ access }: Call, job: string | null): Promise<Rights> {
  const answers = await Promise.all(acting.map(async (action) => [action, await access.may(action, job)] as const))
  return Object.fromEntries(answers) as Rights
}

const job: Read = {
  method: 'GET',
  path: '/api/job',
  action: 'view',
  about: 'job',
  takes: [],
  async answer(call): Promise<JobView> {
    const { client, options, now, redaction } = call
    const [found, hidden, rights] = await Promise.all([
      client.job(call.job, options),
      redaction.of(call.job),
      rightsOf(call, call.job),
    ])
    return {
      ...jobLineOf(listedJobOf(found, now)),
      version: found.version,
      settings: found.settings as unknown as JobView['settings'],
      tasks: found.tasks.map(({ name, handler, data, isolation }) => ({
        name,
        handler,
        isolation,
        data: shownOf(data, hidden.has('payloads')),
      })),
      createdAt: found.createdAt.toISOString(),
      changedAt: found.changedAt.toISOString(),
      resumed: found.resumed === null ? null : { ...found.resumed, at: found.resumed.at.toISOString() },
      lastSuccessAt: textOf(found.lastSuccessAt),
      silentSince: textOf(found.silentSince),
      rights,
      hidden: [...hidden],
    }
  },
}

const history: Read = {
  method: 'GET',
  path: '/api/history',
  action: 'view',
  about: 'job',
  takes: ['states', 'from', 'to', 'limit', 'cursor'],
  async answer({ client, input, options, redaction, job: name }): Promise<Page<RunLine>> {
    const states = input.choices('states', [...liveStates, ...finalStates])
    const { items, cursor } = await client.occurrences(
      {
        job: name,
        order: 'descending',
        ...input.pick(['from', 'to']),
        ...(states !== undefined && { states }),
        limit: input.count('limit', { most: 200, otherwise: 50 }),
        cursor: input.text('cursor') ?? null,
      },
      options,
    )
    const hidden = await redaction.of(name)
    return { items: items.map((run) => runLineOf(run, hidden)), cursor }
  },
}

/** Maximum number of runs in one answer for the grid of a job. The page reads older runs with the cursor. */
const mostColumns = 500

const grid: Read = {
  method: 'GET',
  path: '/api/grid',
  action: 'view',
  about: 'job',
  takes: ['limit', 'cursor'],
  async answer({ client, input, options, job: name }): Promise<GridPage> {
    const { items, cursor } = await client.occurrences(
      {
        job: name,
        order: 'descending',
        limit: input.count('limit', { most: mostColumns, otherwise: 50 }),
        cursor: input.text('cursor') ?? null,
      },
      options,
    )
    return { ...gridOf(items), cursor }
  },
}

const next: Read = {
  method: 'GET',
  path: '/api/next',
  action: 'view',
  about: 'job',
  takes: ['count'],
  async answer({ client, input, options, job: name }): Promise<readonly Date[]> {
    return client.nextRuns(name, input.count('count', { most: 1000, otherwise: 10 }), options)
  },
}

const versions: Read = {
  method: 'GET',
  path: '/api/versions',
  action: 'view',
  about: 'job',
  takes: [],
  async answer({ client, options, redaction, job: name }): Promise<readonly VersionView[]> {
    // Reads one version more than the page shows, to compare the oldest shown version with its predecessor.
    const found = await client.versions(name, { limit: mostVersions + 1, ...options })
    const isHidden = (await redaction.of(name)).has('payloads')
    return found.slice(0, mostVersions).map((one, index) => {
      const before = found[index + 1]
      const isFirstKnown = before?.version !== one.version - 1
      return {
        version: one.version,
        createdAt: one.createdAt.toISOString(),
        isFirstKnown,
        reason: one.reason,
        actor: one.actor,
        changes: one.changes.map((part) => changeOf(part, isHidden)),
        tasks: isHidden ? null : (one.tasks as unknown as Wire<JobVersion['tasks']>),
      }
    })
  },
}

function changeOf({ part, task, before, after }: ChangedPart, isHidden: boolean): VersionView['changes'][number] {
  const shown = (value: ChangedPart['before']): string =>
    textOfValue(isHidden && isObject(value) && 'data' in value ? { ...value, data: 'hidden' } : value)
  return { name: task === undefined ? part : `task ${task}`, before: shown(before), after: shown(after) }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function textOfValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null, null, 2)
}

const explain: Read = {
  method: 'GET',
  path: '/api/explain',
  action: 'view',
  about: 'job',
  takes: ['at'],
  async answer({ client, input, options, job: name }) {
    const { at, verdict, reason, id, occurrence, nearest } = await client.explain(name, input.needed('at'), options)
    return { at, verdict, reason, id, run: occurrence?.id ?? null, nearest }
  },
}

/** Routes that read one job. */
export const oneJob: readonly Read[] = [job, history, grid, next, versions, explain]
