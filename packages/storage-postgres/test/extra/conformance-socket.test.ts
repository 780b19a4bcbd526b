import { inject } from 'vitest'
import { postgresConformance } from '../postgres-conformance.ts'

postgresConformance(
  'postgres over a Unix socket',
  async () => ({ url: inject('postgres').socketUrl, stop: async () => {} }),
  {},
  true,
)
