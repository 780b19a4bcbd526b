import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { type Clock, createScheduler, type RunDueReport } from '@jobistemer/core'
import { dynamodbStorage } from '@jobistemer/storage-dynamodb'
import { jobsOf, type Work } from './jobs.ts'

/** The part of AWS Lambda's context that the function uses. Other platforms have similar objects. */
export interface FunctionContext {
  getRemainingTimeInMillis(): number
}

/** A function to call each minute, for example by EventBridge, by a cron route, or by a scheduled container. */
export type ScheduledFunction = (event: unknown, context: FunctionContext) => Promise<RunDueReport>

/**
 * Maximum budget of a call, in ms. The budget ends before the next call, which can then take over the runs of a killed call.
 */
const longestMs = 48_000

/** Time between the end of the budget and the instant at which the platform would kill the function, in ms. */
const spareMs = 2000

/**
 * Returns the function that a timer calls. Call `functionOf` once per process, so that calls share the client's connections.
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
    // A slot may be late by the interval between two calls plus a cold start. The misfire threshold is longer than both
    // together.
    defaults: { misfireThreshold: { minutes: 5 } },
    ...(clock !== undefined && { clock }),
  })
  return async (_event, context) => {
    const leftMs = context.getRemainingTimeInMillis() - spareMs
    return await scheduler.runDue({ budget: Math.max(1000, Math.min(longestMs, leftMs)) })
  }
}
