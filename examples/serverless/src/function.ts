import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { type Clock, createScheduler, type RunDueReport } from '@jobistemer/core'
import { dynamodbStorage } from '@jobistemer/storage-dynamodb'
import { jobsOf, type Work } from './jobs.ts'

/** What AWS Lambda hands to a function besides the event; other platforms have their like. */
export interface FunctionContext {
  getRemainingTimeInMillis(): number
}

/** A function, for a timer that calls it each minute: EventBridge, a cron route, a scheduled container. */
export type ScheduledFunction = (event: unknown, context: FunctionContext) => Promise<RunDueReport>

/** The next call takes over what one that was killed has left: so a budget ends well before the next minute. */
const longestMs = 48_000

/** The platform would kill the function: it returns this much before. */
const spareMs = 2000

/**
 * Made once, outside of the function: a platform that keeps the process for the next call keeps the client's connections
 * with it. Nothing else lives on between the calls.
 */
export function functionOf(options: {
  readonly client: DynamoDBClient
  readonly tableName: string
  readonly work: Work
  readonly clock?: Clock
}): ScheduledFunction {
  const { client, tableName, work, clock } = options
  const scheduler = createScheduler({
    storage: dynamodbStorage({ client, tableName }),
    jobs: jobsOf(work),
    nodeId: 'function',
    // A slot may be as late as the time between two calls, and a cold start on top of it.
    defaults: { misfireThreshold: { minutes: 5 } },
    ...(clock !== undefined && { clock }),
  })
  return async (_event, context) => {
    const leftMs = context.getRemainingTimeInMillis() - spareMs
    return await scheduler.runDue({ budget: Math.max(1000, Math.min(longestMs, leftMs)) })
  }
}
