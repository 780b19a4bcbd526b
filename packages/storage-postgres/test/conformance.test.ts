import { inject } from 'vitest'
import { postgresConformance } from './postgres-conformance.ts'

postgresConformance(
  'postgres',
  async () => ({ url: inject('postgres').url, stop: async () => {} }),
  {},
  { scale: 0.5, seeds: [1, 2] },
)
