import type { SchedulerOptions } from '@jobistemer/core'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Options that make the background work of a node rare. Long scenarios use these options if they do not test this work. */
export const rarely = {
  pollInterval: { hours: 1 },
  ...tuned({
    heartbeat: { hours: 1 },
    reapInterval: { hours: 1 },
    definitionInterval: { hours: 1 },
    standby: { minutes: 1 },
  }),
  deadAfter: { hours: 6 },
} as const satisfies Partial<SchedulerOptions>
