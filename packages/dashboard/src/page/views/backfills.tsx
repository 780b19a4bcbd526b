import { Backfills as BackfillsList } from '../parts/backfills.tsx'
import { Heading } from '../parts/section.tsx'

/** The backfills that run, of all jobs. */
export function Backfills() {
  return (
    <>
      <Heading title="Backfills" />
      <p class="quiet">Those that run. One that was stopped is found with its job, and can be gone on with there.</p>
      <BackfillsList />
    </>
  )
}
