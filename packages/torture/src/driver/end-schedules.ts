import type { Violation } from '../checker/violation.ts'
import type { Fleet } from './fleet.ts'

/** One node is asked to end all schedules at a time; the others follow the new versions. Answers what went wrong. */
export async function endSchedules(fleet: Fleet, at: number): Promise<readonly Violation[]> {
  let problem = 'no node was there to end the schedules'
  // A node that dies over it leaves the rest to the next one: an update that is done already changes nothing. The
  // successor of one that has died adds its data jobs as they were before, so it has to be there first.
  for (let attempt = 0; attempt < 3; attempt++) {
    await fleet.calmDown()
    const [process] = fleet.up
    if (process === undefined) break
    const answer = await process.command({ do: 'end-schedules', at })
    if (answer.outcome === 'done') return []
    problem = `the schedules could not be ended: ${answer.outcome === 'failed' ? answer.error : 'the node died'}`
  }
  return [{ rule: 'convergence', job: null, occurrence: null, message: problem }]
}
