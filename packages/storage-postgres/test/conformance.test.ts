import { inject } from 'vitest'
import { postgresConformance } from './postgres-conformance.ts'

postgresConformance('postgres', async () => ({ url: inject('postgres').url, stop: async () => {} }))
