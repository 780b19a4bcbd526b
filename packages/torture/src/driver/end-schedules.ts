import type { Violation } from '../checker/violation.ts'
import type { Fleet } from './fleet.ts'

/**
 * Makes one node end the schedules of all jobs; the other nodes follow the new versions. Returns a violation if an update
 * failed.
 */
export async function endSchedules(fleet: Fleet, at: number): Promise<readonly Violation[]> {
  let problem = 'no node was up to end the schedules'
  // If the node dies during the updates, the next node repeats all updates. A repeated update changes nothing. A
  // starting node would add its data jobs with their old schedules again. So each attempt begins only when all nodes
  // have started.
  for (let attempt = 0; attempt < 3; attempt++) {
    await fleet.calmDown()
    const [process] = fleet.up
    if (process === undefined) break
    const answer = await process.command({ do: 'end-schedules', at })
    if (answer.outcome === 'done') return []
    problem = `no node could end the schedules: ${answer.outcome === 'failed' ? answer.error : 'the node died'}`
  }
  return [{ rule: 'convergence', job: null, occurrence: null, message: problem }]
}
