import { beforeAll, describe, expect, it } from 'vitest'
import { useScratch } from './ledger.ts'
import { runCli } from './run-cli.ts'

const scratch = useScratch()
let place = ''
const ask = (...argv: string[]) => runCli([...argv, '-s', place])

beforeAll(async () => {
  place = (await scratch.ledger()).place
})

describe('jobs', () => {
  it('lists the stored jobs with their next slots, and what a terminal would obey made visible', async () => {
    expect((await ask('jobs')).out).toMatchInlineSnapshot(`
      "JOB                          STATE   NEXT                  IN        SCHEDULE                           OWNER
      evil\\x1b]0;owned\\x07\\x9b31m  paused  2026-01-03 06:00:00Z  6 h ago   at 06:00, UTC
      import                       active  2027-01-01 00:00:00Z  in 362 d  at 00:00 on day 1 of January, UTC  imports
      nightly-report               active  2026-01-03 01:00:00Z  11 h ago  at 02:00, Europe/Berlin            reports
      "
    `)
  })
})
describe('run', () => {
  it('shows a failed run whole', async () => {
    const { out } = await ask('history', 'nightly-report', '--json')
    const [failed] = JSON.parse(out).occurrences
    expect((await ask('run', failed.id)).out).toMatchInlineSnapshot(`
      "run        occ_69751cf7-0b2c-55c2-8fa4-766ed45ba1e4
      job        nightly-report, version 1
      state      failed
      why        A task failed, and by the failure strategy nothing more starts.
      reason     fail_fast
      kind       slot
      scheduled  2026-01-02 01:00:00Z (35 h ago)
      created    2026-01-02 01:00:00Z (35 h ago)
      started    2026-01-02 01:00:00Z (35 h ago)
      finished   2026-01-02 01:00:10Z (34 h ago)
      took       10 s
      node       night-1, owner 1 of this run

      export  completed in 0 ms
        attempt 1  2026-01-02 01:00:00Z  succeeded after 0 ms
        result {"rows":7}

      upload  failed in 10 s
        attempt 1  2026-01-02 01:00:00Z  failed after 0 ms
          Error: the disk\\x1b[2J is full
              at upload (/app/upload.ts:12:9)
          code: ENOSPC
          caused by
            Error: write failed
                at write (/app/disk.ts:3:1)
        attempt 2  2026-01-02 01:00:10Z  failed after 0 ms
          Error: the disk\\x1b[2J is full
              at upload (/app/upload.ts:12:9)
          code: ENOSPC
          caused by
            Error: write failed
                at write (/app/disk.ts:3:1)
      "
    `)
    expect((await ask('history', 'nightly-report')).out).toMatchInlineSnapshot(`
      "SCHEDULED             STATE      TOOK  NODE     RUN                                       WHAT
      2026-01-02 01:00:00Z  failed     10 s  night-1  occ_69751cf7-0b2c-55c2-8fa4-766ed45ba1e4  fail_fast, upload: the disk\\x1b[2J is full
      2026-01-01 01:00:00Z  completed  10 s  night-1  occ_da93922c-dd80-5ec5-9d40-9829d11253fb
      "
    `)
  })
})
