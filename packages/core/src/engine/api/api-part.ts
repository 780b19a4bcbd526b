import type { JobRegistry } from '../definitions/job-registry.ts'
import type { Capacity } from '../execution/capacity.ts'
import type { ExecutionPool } from '../execution/execution-pool.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { JobLookup } from './job-lookup.ts'

/** The parts of an engine that each group of API operations uses. */
export interface ApiParts {
  readonly engine: EngineContext
  readonly registry: JobRegistry
  readonly capacity: Capacity
  readonly pool: ExecutionPool
  readonly lookup: JobLookup
}

/** The base class of a group of API operations. */
export abstract class ApiPart implements ApiParts {
  readonly engine: EngineContext
  readonly registry: JobRegistry
  readonly capacity: Capacity
  readonly pool: ExecutionPool
  readonly lookup: JobLookup

  constructor({ engine, registry, capacity, pool, lookup }: ApiParts) {
    this.engine = engine
    this.registry = registry
    this.capacity = capacity
    this.pool = pool
    this.lookup = lookup
  }
}
