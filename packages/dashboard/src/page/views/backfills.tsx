import { Backfills as BackfillsList } from '../parts/backfills.tsx'
import { Heading } from '../parts/section.tsx'

/** The page with the running backfills of all jobs. */
export function Backfills() {
  return (
    <>
      <Heading title="Backfills" />
      <p class="quiet">
        Running backfills. The page of a job also shows its stopped and ended backfills, with their results.
      </p>
      <BackfillsList />
    </>
  )
}
