import { startPgBouncer } from '@jobistemer/test-servers'
import { inject } from 'vitest'
import { postgresConformance } from './postgres-conformance.ts'

// Wake-ups do not work through PgBouncer: see wake-ups.test.ts.
postgresConformance(
  'postgres behind PgBouncer in transaction mode',
  () => startPgBouncer({ to: inject('postgres'), poolMode: 'transaction', config: { default_pool_size: '12' } }),
  { wakeUps: false },
  true,
)
