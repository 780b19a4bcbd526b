import { JobistemerError } from '../errors.ts'
import { toLogLine } from '../engine/execution/log-line.ts'
import { checkProgress, type IsolatedTaskContext, type PreviousRun, resultOf, type TaskReference } from '../job/task.ts'
import type { Jsonify, JsonObject, JsonValue } from '../json.ts'
import type { Logger } from '../logger.ts'
import type { LogLevel } from '../storage/occurrence-record.ts'
import type { BoundedTalk } from './bounded-talk.ts'
import type { AskedOfNode, IsolatedAttemptData } from './messages.ts'

/** What {@link isolatedContext} needs to make the context of an isolated task. */
export interface IsolatedContextSource {
  readonly attempt: IsolatedAttemptData
  readonly signal: AbortSignal
  readonly talk: BoundedTalk
  /** Sends a request to the node. */
  ask(asked: AskedOfNode): Promise<JsonValue | undefined>
  /** Returns the present time of the engine, in epoch milliseconds. */
  now(): number
}

/** Makes the context of an isolated task. Its functions do not use `this`, because handlers destructure the context. */
export function isolatedContext(source: IsolatedContextSource): IsolatedTaskContext<never, never> {
  const { attempt, signal, talk } = source
  const { backfill, span, results } = attempt
  const context = {
    ...withDates(attempt, ['scheduledAt', 'requestedAt', 'startedAt']),
    backfill: backfill === null ? null : withDates(backfill, ['slot', 'from', 'to']),
    span: span === null ? null : withDates(span, ['from', 'to']),
    signal,
    logger: talkingLogger(talk),
    now: () => new Date(source.now()),
    progress: (fraction: number, message?: string) => {
      checkProgress(fraction, message)
      talk.progress(fraction, message ?? null)
    },
    sleep: async (duration: unknown) => {
      signal.throwIfAborted()
      await source.ask({ name: 'sleep', duration: JSON.parse(JSON.stringify(duration) ?? 'null') as JsonValue })
    },
    previousRun: async () => {
      const run = (await source.ask({ name: 'previousRun' })) as PreviousRun | null
      return run === null ? null : withDates(run, ['scheduledAt', 'finishedAt'])
    },
    result: <Result>(task: TaskReference<Result>): Jsonify<Result> => resultOf(task, results),
    complete: async () => {
      throw new JobistemerError('TRANSACTION_NOT_SUPPORTED', {
        message: 'An isolated task cannot complete in a transaction: its node has no part in what its child has open.',
        field: 'complete',
        remedy: 'Return the result, or do this step in a task with run.',
      })
    },
  }
  return context as unknown as IsolatedTaskContext<never, never>
}

/** Returns a value from the node with its instants as dates: a process receives them as text. */
function withDates<T extends object>(received: T, instants: readonly (keyof T)[]): T {
  const dates = instants.map((name) => [name, received[name] === null ? null : new Date(received[name] as Date)])
  return { ...received, ...Object.fromEntries(dates) }
}

function talkingLogger(talk: BoundedTalk): Logger {
  const talking = (level: LogLevel) => (fields: unknown, message: unknown) => {
    const { message: text, fields: members } = toLogLine(0, level, fields, message)
    talk.line({ level, fields: members ?? ({} as JsonObject), message: text })
  }
  return { debug: talking('debug'), info: talking('info'), warn: talking('warn'), error: talking('error') }
}
