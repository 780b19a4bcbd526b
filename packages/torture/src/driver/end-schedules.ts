import type { Violation } from '../checker/violation.ts'
import type { Fleet } from './fleet.ts'

/** Makes one node end all schedules. The other nodes follow the new versions. Returns the errors. */
export async function endSchedules(fleet: Fleet, at: number): Promise<readonly Violation[]> {
  let problem = 'no node was up to end the schedules'
  // If the node dies, the next one does the rest: a repeated update changes nothing. The successor of a dead node first adds
  // its data jobs as they were, so it must be up before.
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
