import { createHash } from 'node:crypto'
import { leanScript } from './lean-script.ts'
import { claimScript } from './scripts/claim.ts'
import { createScript } from './scripts/create.ts'
import { getScript } from './scripts/get.ts'
import { heartbeatScript } from './scripts/heartbeat.ts'
import { listDueJobsScript } from './scripts/list-due-jobs.ts'
import { listJobsScript } from './scripts/list-jobs.ts'
import { listHistoryScript, listLiveOfJobScript, listSetScript } from './scripts/list-occurrences.ts'
import { pruneScript } from './scripts/prune.ts'
import { serverTimeScript } from './scripts/server-time.ts'
import { commitEndsScript, commitScript, readStepsScript } from './scripts/step.ts'
import { settleScript } from './scripts/settle.ts'

/** A script and the name that the server knows it by. */
export interface Script {
  readonly source: string
  readonly sha: string
}

type ScriptName =
  | 'claim'
  | 'commit'
  | 'commitEnds'
  | 'create'
  | 'get'
  | 'heartbeat'
  | 'listDueJobs'
  | 'listHistory'
  | 'listJobs'
  | 'listLiveOfJob'
  | 'listSet'
  | 'prune'
  | 'readSteps'
  | 'serverTime'
  | 'settle'

export function script(text: string): Script {
  const source = leanScript(text)
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** One for each operation. */
export const scripts: Readonly<Record<ScriptName, Script>> = {
  claim: script(claimScript),
  commit: script(commitScript),
  commitEnds: script(commitEndsScript),
  create: script(createScript),
  get: script(getScript),
  heartbeat: script(heartbeatScript),
  listDueJobs: script(listDueJobsScript),
  listHistory: script(listHistoryScript),
  listJobs: script(listJobsScript),
  listLiveOfJob: script(listLiveOfJobScript),
  listSet: script(listSetScript),
  prune: script(pruneScript),
  readSteps: script(readStepsScript),
  serverTime: script(serverTimeScript),
  settle: script(settleScript),
}
