import type { SchedulerOptions } from '@jobistemer/core'

/** What a node looks for again and again, and long scenarios are not about. */
export const rarely = {
  pollInterval: { hours: 1 },
  reapInterval: { hours: 1 },
  definitionInterval: { hours: 1 },
  heartbeat: { hours: 1 },
  deadAfter: { hours: 6 },
} as const satisfies Partial<SchedulerOptions>
