import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

async function outputOf(program: string): Promise<string[]> {
  const path = fileURLToPath(new URL(`../dist/${program}.js`, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [path])
  return stdout.trimEnd().split('\n')
}

test('the program parallel-etl: run 1 completes after retries, run 2 fails when a task fails, and both clean up', async () => {
  expect(await outputOf('parallel-etl')).toEqual([
    'completed after 50 s',
    '  extract-1: completed (succeeded)',
    '  extract-2: completed (succeeded)',
    '  extract-3: completed (failed, failed, succeeded)',
    '  extract-4: completed (succeeded)',
    '  extract-5: completed (succeeded)',
    '  extract-6: completed (succeeded)',
    '  extract-7: completed (succeeded)',
    '  extract-8: completed (succeeded)',
    '  extract-9: completed (succeeded)',
    '  clean-up: completed (succeeded)',
    'failed after 40 s',
    '  extract-1: completed (succeeded)',
    '  extract-2: completed (succeeded)',
    '  extract-3: failed (failed, failed, failed, failed)',
    '  extract-4: completed (succeeded)',
    '  extract-5: completed (succeeded)',
    '  extract-6: completed (succeeded)',
    '  extract-7: canceled (aborted)',
    '  extract-8: canceled (aborted)',
    '  extract-9: canceled (aborted)',
    '  clean-up: completed (succeeded)',
  ])
})

test('in the program recovery, each recovery strategy runs or records the same five missed slots in its own way', async () => {
  expect((await outputOf('recovery')).sort()).toEqual([
    'bounded_window: 3 slots recorded as missed',
    'bounded_window: runs 05:00 late',
    'bounded_window: runs 06:00 late',
    'compressed: runs 06:00 late, covers 5 slots',
    'execute_all: runs 02:00 late',
    'execute_all: runs 03:00 late',
    'execute_all: runs 04:00 late',
    'execute_all: runs 05:00 late',
    'execute_all: runs 06:00 late',
    'execute_last: 4 slots recorded as missed',
    'execute_last: runs 06:00 late',
    'mark_as_missed: 5 slots recorded as missed',
  ])
})

test('in the program update-policies, each update policy replaces the old schedule from another instant on', async () => {
  expect(await outputOf('update-policies')).toEqual([
    'in four hours: 4 slots added, 0 removed, 4 kept',
    'immediate (version 2): 00:30 01:00 01:30 02:00 02:30 03:00 03:30 04:00',
    'graceful (version 2): 01:00 01:30 02:00 02:30 03:00 03:30 04:00',
    'graceful until 02:00 (version 2): 01:00 02:00 02:30 03:00 03:30 04:00',
    'windowed 02:00 to 03:00 (version 2): 01:00 02:00 02:30 03:00 04:00',
  ])
})

test('the program tenants runs jobs that are data by one handler; a process without the handler manages the jobs', async () => {
  expect(await outputOf('tenants')).toEqual([
    '239 tenants billed, 717 bills',
    'bill-tenant-13: the tenant has no address',
    'bill-tenant-13: the tenant has no address',
    'bill-tenant-13: the tenant has no address',
    'tenant-7 3 bills, tenant-8 5 bills',
    'JOB             STATE   NEXT                  IN         LAST    SCHEDULE                         OWNER',
    'bill-tenant-13  active  2026-01-01 04:13:00Z  in 13 min  failed  at minute 13 of every hour, UTC',
  ])
})
