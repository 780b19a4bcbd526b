// This file copies names from one version of the OpenTelemetry semantic conventions, and imports no package for them. So an
// upgrade of a dependency cannot change the names.

/** The schema URL that tells backends the version of the semantic conventions. */
export const schemaUrl: string = 'https://opentelemetry.io/schemas/1.45.0'

/** Attribute names of the semantic conventions for messaging and errors. */
export const conventional = {
  systemName: 'messaging.system.name',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destinationName: 'messaging.destination.name',
  messageId: 'messaging.message.id',
  batchMessageCount: 'messaging.batch.message_count',
  clientId: 'messaging.client.id',
  errorType: 'error.type',
} as const

/** Values of the messaging attributes. */
export const conventionalValues = { system: 'jobistemer', send: 'send', process: 'process' } as const

/** Jobistemer's own attributes. */
export const own = {
  jobName: 'jobistemer.job.name',
  jobVersion: 'jobistemer.job.version',
  occurrenceId: 'jobistemer.occurrence.id',
  occurrenceKind: 'jobistemer.occurrence.kind',
  occurrenceState: 'jobistemer.occurrence.state',
  scheduledAt: 'jobistemer.scheduled_at',
  lateness: 'jobistemer.lateness',
  recovered: 'jobistemer.recovered',
  fencingToken: 'jobistemer.fencing_token',
  node: 'jobistemer.node',
  outcome: 'jobistemer.outcome',
  reason: 'jobistemer.reason',
  request: 'jobistemer.request',
  requestKey: 'jobistemer.request.key',
  replayOf: 'jobistemer.replay_of',
  taskName: 'jobistemer.task.name',
  attemptNumber: 'jobistemer.attempt.number',
  attemptState: 'jobistemer.attempt.state',
  retryIn: 'jobistemer.retry_in',
  strategy: 'jobistemer.recovery.strategy',
  operation: 'jobistemer.storage.operation',
  /** Attribute of a span link that states how the linked span relates to this span. */
  link: 'jobistemer.link',
} as const

/** The OpenTelemetry names of the metrics. */
export const metricNames = {
  runDuration: 'jobistemer.run.duration',
  taskDuration: 'jobistemer.task.duration',
  runLateness: 'jobistemer.run.lateness',
  runWait: 'jobistemer.run.wait',
  runs: 'jobistemer.runs',
  attempts: 'jobistemer.attempts',
  recoveryRuns: 'jobistemer.recovery.runs',
  takeovers: 'jobistemer.takeovers',
  losses: 'jobistemer.losses',
  storageFailures: 'jobistemer.storage.failures',
  lastSuccess: 'jobistemer.job.last_success',
  activeRuns: 'jobistemer.runs.active',
  waitingRuns: 'jobistemer.runs.waiting',
  pausedJobs: 'jobistemer.jobs.paused',
  aheadJobs: 'jobistemer.jobs.ahead',
  silentJobs: 'jobistemer.jobs.silent',
  clockSkew: 'jobistemer.clock.skew',
  clockUnconfirmed: 'jobistemer.clock.unconfirmed',
  nodes: 'jobistemer.nodes',
  nodeIsolated: 'jobistemer.node.isolated',
} as const

/** The instrumentation scope: the name of the tracer and of the meter. */
export const scopeName: string = '@jobistemer/opentelemetry'
