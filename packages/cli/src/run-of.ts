import type { Occurrence, OccurrenceId } from '@jobistemer/core'
import type { Context } from './command.ts'

/** Returns a run and the name of its job. The name is `null` if the job was deleted. */
export async function runOf(
  context: Context,
  id: string,
): Promise<{ readonly job: string | null; readonly occurrence: Occurrence }> {
  const client = await context.client()
  const { job, ...occurrence } = await client.occurrence(id as OccurrenceId, context.call)
  return { job, occurrence }
}
