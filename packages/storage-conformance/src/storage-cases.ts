import { cancelCases, reapCases } from './cases/cancel-and-reap.ts'
import { claimCases } from './cases/claim.ts'
import {
  batchCases,
  capabilityCases,
  connectionCases,
  durabilityCases,
  serverTimeCases,
  subscribeCases,
} from './cases/connections.ts'
import { exclusionCases, recoveryCases } from './cases/exclusion-and-recovery.ts'
import { countCases } from './cases/counts.ts'
import { damagedRowCases } from './cases/damaged-rows.ts'
import { delayedCases } from './cases/delayed.ts'
import { deleteInStepsCases, longDeleteInStepsCases } from './cases/delete-in-steps.ts'
import { dueJobsCases } from './cases/due-jobs.ts'
import { failureCases, latestCases } from './cases/failures.ts'
import { heartbeatCases } from './cases/heartbeat.ts'
import { deleteCases, pauseCases } from './cases/job-pause-and-delete.ts'
import { jobCases } from './cases/jobs.ts'
import { overlapCases, requestedCases } from './cases/overlap.ts'
import { pauseWithEndCases } from './cases/pause-with-end.ts'
import { placesCases } from './cases/places.ts'
import { priorityCases } from './cases/priority.ts'
import { priorityCourseCases } from './cases/priority-course.ts'
import { pruneCases } from './cases/prune.ts'
import { getCases, listJobsCases, listOccurrencesCases } from './cases/reads.ts'
import { rescueCases } from './cases/rescues.ts'
import { reusableKeyCases } from './cases/reusable-keys.ts'
import { settleCases } from './cases/settle.ts'
import { slotCases } from './cases/slots.ts'
import { takeNextCases } from './cases/take-next.ts'
import { startRateCases } from './cases/start-rate.ts'
import { textCases } from './cases/texts.ts'
import { updateInStepsCases } from './cases/update-in-steps.ts'
import { wakeCases } from './cases/wake.ts'
import { withinCases, withinWakeUpCases } from './cases/within.ts'
import { disconnectCases } from './disconnects/disconnect-cases.ts'
import { type EffortOptions, resolveEffort } from './effort.ts'
import { modelCases } from './model/model-cases.ts'
import { batchRaces } from './races/batch-races.ts'
import { claimRaces } from './races/claim-races.ts'
import { connectionRaces } from './races/connection-races.ts'
import { heartbeatRaces } from './races/heartbeat-races.ts'
import { takeNextRaces } from './races/take-next-races.ts'
import { killRaces, processRaces, soleKillRaces } from './races/process-races.ts'
import { soakCases } from './soak/soak-cases.ts'
import { readCapabilities, readEffortNames } from './read-options.ts'
import { type DeclaredCapabilities, meetsNeeds, type StorageCase } from './storage-case.ts'

/**
 * Returns the cases for a storage with these capabilities, in the order of `caseDepths`.
 * @throws JobistemerError `INVALID_ARGUMENT`, `UNKNOWN_OPTION`
 */
export function storageCases(declared: DeclaredCapabilities, options: EffortOptions = {}): readonly StorageCase[] {
  readCapabilities(declared)
  readEffortNames(options)
  const effort = resolveEffort(options)
  const all = [
    ...capabilityCases(declared),
    ...connectionCases,
    ...jobCases,
    ...pauseCases,
    ...pauseWithEndCases,
    ...deleteCases,
    ...deleteInStepsCases,
    ...longDeleteInStepsCases,
    ...updateInStepsCases,
    ...slotCases,
    ...overlapCases,
    ...placesCases,
    ...startRateCases,
    ...priorityCases,
    ...priorityCourseCases,
    ...requestedCases,
    ...reusableKeyCases,
    ...delayedCases,
    ...exclusionCases,
    ...recoveryCases,
    ...claimCases,
    ...settleCases,
    ...wakeCases,
    ...takeNextCases,
    ...cancelCases,
    ...reapCases,
    ...rescueCases,
    ...countCases,
    ...textCases,
    ...batchCases,
    ...getCases,
    ...listJobsCases,
    ...listOccurrencesCases,
    ...failureCases,
    ...latestCases,
    ...dueJobsCases,
    ...heartbeatCases,
    ...pruneCases,
    ...durabilityCases,
    ...serverTimeCases,
    ...subscribeCases,
    ...withinCases,
    ...withinWakeUpCases,
    ...damagedRowCases,
    ...connectionRaces(effort),
    ...claimRaces(effort),
    ...takeNextRaces(effort),
    ...batchRaces(effort),
    ...heartbeatRaces(effort),
    ...processRaces(effort),
    ...(declared.multiProcess === true ? killRaces : soleKillRaces)(effort),
    ...disconnectCases,
    ...modelCases(effort),
    ...soakCases(effort),
  ]
  return all.filter((storageCase) => meetsNeeds(declared, storageCase.needs))
}
