import type { EventHub } from '../events.ts'
import type { Logger } from '../logger.ts'
import { catchRejection } from '../rejection.ts'
import type { Metrics } from './metrics.ts'

/**
 * Metrics that throw, or reject, are a fault of their own: it never reaches who measures, and one that fails keeps none
 * of the other methods from being called. The wrapper emits `hook.failed` for each failure, and logs the first failure
 * of each method.
 */
export function guardedMetrics(
  metrics: Metrics,
  { events, logger }: { events: EventHub; logger: Logger },
): Required<Metrics> {
  const failed = new Set<keyof Metrics>()

  function guarded<Name extends keyof Metrics>(name: Name): Required<Metrics>[Name] {
    const tell = (error: unknown): void => {
      events.emit('hook.failed', { hook: `metrics.${name}`, error, jobName: null })
      if (failed.has(name)) return
      failed.add(name)
      logger.error(
        { method: name, err: error },
        'metrics failed, and may be incomplete; further failures are not logged',
      )
    }
    const call = (...values: unknown[]): void => {
      try {
        const method = metrics[name] as ((...values: unknown[]) => unknown) | undefined
        catchRejection(method?.apply(metrics, values), tell)
      } catch (error) {
        tell(error)
      }
    }
    return call as Required<Metrics>[Name]
  }

  return {
    increment: guarded('increment'),
    observe: guarded('observe'),
    set: guarded('set'),
    removeJob: guarded('removeJob'),
    gauges: guarded('gauges'),
    end: guarded('end'),
  }
}
