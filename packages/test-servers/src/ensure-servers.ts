import { ensurePrograms } from './programs.ts'

// Run once before the tests of all packages, so that no two of them install something at the same time.
ensurePrograms(['redis-server', 'valkey-server', 'java', 'initdb', 'postgres', 'pgbouncer'])
