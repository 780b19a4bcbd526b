import { ensurePrograms } from './programs.ts'

// Runs once before the tests of all packages, so that no two test runs install programs at the same time.
ensurePrograms(['redis-server', 'valkey-server', 'java', 'initdb', 'postgres', 'pgbouncer', 'chromium'])
