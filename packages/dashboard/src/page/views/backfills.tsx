import { Backfills as BackfillsList } from '../parts/backfills.tsx'
import { Heading } from '../parts/section.tsx'

/** The backfills that run, of all jobs. */
export function Backfills() {
  return (
    <>
      <Heading title="Backfills" />
      <p class="quiet">
        Those that run. The page of a job also shows those that were stopped or have ended, with their results.
      </p>
      <BackfillsList />
    </>
  )
}
