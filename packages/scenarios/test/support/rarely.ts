import type { SchedulerOptions } from '@jobistemer/core'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Long intervals for the background work of a node, for long scenarios that do not test this work. */
export const rarely = {
  pollInterval: { hours: 1 },
  ...tuned({ heartbeat: { hours: 1 }, reapInterval: { hours: 1 }, definitionInterval: { hours: 1 } }),
  deadAfter: { hours: 6 },
} as const satisfies Partial<SchedulerOptions>
