import { inject } from 'vitest'
import { fewRounds, postgresConformance } from './postgres-conformance.ts'

postgresConformance(
  'postgres over a Unix socket',
  async () => ({ url: inject('postgres').socketUrl, stop: async () => {} }),
  {},
  fewRounds,
)
