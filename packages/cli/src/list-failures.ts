import type { Occurrence } from '@jobistemer/core'
import type { Context } from './command.ts'
import { failedStates } from './output/states.ts'

/** A run that has failed, and its job. */
export interface Failure {
  readonly job: string
  readonly occurrence: Occurrence
}

/** The latest failed runs of all jobs, newest first: job by job, with one call for each. */
export async function listFailures(
  context: Context,
  { from, owner, limit }: { readonly from: Date; readonly owner: string | undefined; readonly limit: number },
): Promise<{ readonly failures: readonly Failure[]; readonly more: boolean }> {
  const client = await context.client()
  let found: Failure[] = []
  let more = false
  let cursor: string | null = null
  do {
    const page = await client.jobs({ limit: 500, cursor, ...(owner !== undefined && { owner }) }, context.call)
    const lists = await Promise.all(
      page.items.map(async ({ name: job }) => {
        const filter = { job, from, states: failedStates, order: 'descending', limit: limit + 1 } as const
        return (await client.occurrences(filter, context.call)).map((occurrence) => ({ job, occurrence }))
      }),
    )
    found = [...found, ...lists.flat()].sort(byTime)
    more ||= found.length > limit
    found = found.slice(0, limit)
    cursor = page.cursor
  } while (cursor !== null)
  return { failures: found, more }
}

function byTime(left: Failure, right: Failure): number {
  const distance = right.occurrence.scheduledAt.getTime() - left.occurrence.scheduledAt.getTime()
  return distance || (left.job < right.job ? -1 : 1)
}
