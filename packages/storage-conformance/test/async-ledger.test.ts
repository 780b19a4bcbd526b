import { describe, it } from 'vitest'
import { storageFromLedger } from '../../core/src/storage/index.ts'
import { AsyncData, AsyncFixture } from '../../core/test/support/async-fixture.ts'
import { storageConformance } from '../src/index.ts'
import { kitEffort } from '../../workspace/test-effort.ts'

// Runs the kit twice on an asynchronous ledger. With the unit `call`, one `run` of the ledger covers all jobs of a call. With
// the unit `job`, each `run` covers one job. The limits are so small that steps exceed `maxWrites`, and that the due
// occurrences fill several pages.
for (const options of [
  { unit: 'call', maxWrites: 3, pageSize: 2 },
  { unit: 'job', maxWrites: 3, itemsPerStep: 2, concurrency: 3 },
] as const) {
  storageConformance({
    describe,
    it,
    name: `async ledger, unit ${options.unit}`,
    ...kitEffort(0.25, 0.1),
    capabilities: { findsDueJobs: true, takesNext: true },
    open() {
      const data = new AsyncData()
      return {
        connect: async () => storageFromLedger(new AsyncFixture({ ...options, data })),
        dispose: async () => {},
      }
    },
  })
}
