import type { Route } from './route.ts'
import { actions } from './routes/actions.ts'
import { ofBackfills } from './routes/backfills.ts'
import { bulk } from './routes/bulk.ts'
import { lists } from './routes/lists.ts'
import { oneJob } from './routes/one-job.ts'
import { oneRun } from './routes/one-run.ts'

/** All routes. A test checks that each route rejects invalid requests. */
export const routes: readonly Route[] = [...lists, ...oneJob, ...oneRun, ...ofBackfills, ...actions, ...bulk]
