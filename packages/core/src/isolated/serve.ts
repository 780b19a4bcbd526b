import { toErrorRecord } from '../error-record.ts'
import { invalidValue, JobistemerError } from '../errors.ts'
import { checkProgress, type IsolatedTaskContext, type PreviousRun, resultOf, type TaskReference } from '../job/task.ts'
import { type Jsonify, type JsonValue, toJsonValue } from '../json.ts'
import { isNonRetryable } from '../non-retryable-error.ts'
import { machineMonotonic } from '../system-clock.ts'
import { BoundedTalk } from './bounded-talk.ts'
import type { AskedOfNode, ParentLink, ToChild, ToldTime } from './messages.ts'
import { revivedError } from './revived-error.ts'

/** Runs the attempts that the node sends to this child, one at a time. */
export function serve(parent: ParentLink): void {
  let present: RunningAttempt | null = null
  parent.listen((message) => {
    if (message.kind === 'run') {
      present = new RunningAttempt(parent, message)
      void present.run()
    } else if (present?.number === message.run) present.hear(message)
  })
}

class RunningAttempt {
  readonly number: number
  readonly #parent: ParentLink
  readonly #order: Extract<ToChild, { kind: 'run' }>
  readonly #controller = new AbortController()
  readonly #talk: BoundedTalk
  /** Requests that the handler has sent to its node and that await an answer. */
  readonly #asked = new Map<number, { resolve(value: JsonValue | undefined): void; reject(error: unknown): void }>()
  #calls = 0
  #time: ToldTime

  constructor(parent: ParentLink, order: Extract<ToChild, { kind: 'run' }>) {
    this.number = order.run
    this.#parent = parent
    this.#order = order
    this.#time = order.time
    this.#talk = new BoundedTalk(parent, order.run)
  }

  hear(message: Exclude<ToChild, { kind: 'run' }>): void {
    if (message.kind === 'answer') {
      this.#time = message.time
      const asked = this.#asked.get(message.call)
      this.#asked.delete(message.call)
      if (message.error === undefined) asked?.resolve(message.value)
      else asked?.reject(revivedError(message.error))
      return
    }
    const reason = revivedError(message.error)
    this.#controller.abort(reason)
    for (const { reject } of this.#asked.values()) reject(reason)
    this.#asked.clear()
  }

  #ask(asked: AskedOfNode): Promise<JsonValue | undefined> {
    const call = ++this.#calls
    return new Promise((resolve, reject) => {
      this.#asked.set(call, { resolve, reject })
      this.#parent.post({ kind: 'call', run: this.number, call, asked })
    })
  }

  async run(): Promise<void> {
    const run = this.number
    try {
      const result = await this.#result()
      this.#talk.end()
      this.#parent.post({ kind: 'returned', run, ...(result !== undefined && { result }) })
    } catch (error) {
      this.#talk.end()
      const final = isNonRetryable(error) ? ({ isNonRetryable: true } as const) : {}
      this.#parent.post({ kind: 'threw', run, error: toErrorRecord(error), ...final })
    }
    if (this.#order.isLast) this.#parent.leave()
  }

  async #result(): Promise<JsonValue | undefined> {
    const handler = await handlerOf(this.#order.module)
    const returned = await handler(this.#context())
    return returned === undefined ? undefined : toJsonValue(returned, 'result', 'RESULT_NOT_SERIALISABLE')
  }

  /** Makes the context of the handler. Its functions do not use their `this`, because handlers destructure the context. */
  #context(): IsolatedTaskContext {
    const { attempt } = this.#order
    const { signal } = this.#controller
    const context = {
      ...attempt,
      signal,
      logger: this.#talk.logger,
      now: () => new Date(this.#now()),
      progress: (fraction: number, message?: string) => {
        checkProgress(fraction, message)
        this.#talk.progress(fraction, message ?? null)
      },
      sleep: async (duration: unknown) => {
        signal.throwIfAborted()
        await this.#ask({ name: 'sleep', duration: JSON.parse(JSON.stringify(duration) ?? 'null') as JsonValue })
      },
      previousRun: async () => (await this.#ask({ name: 'previousRun' })) as PreviousRun | null,
      result: <Result>(task: TaskReference<Result>): Jsonify<Result> => resultOf(task, attempt.results),
      complete: async () => {
        throw new JobistemerError('TRANSACTION_NOT_SUPPORTED', {
          message:
            'An isolated task cannot complete in a transaction: its node has no part in what its child has open.',
          field: 'complete',
          remedy: 'Return the result, or do this step in a task with run.',
        })
      },
    }
    return context
  }

  #now(): number {
    const { now, at } = this.#time
    return at === null ? now : Math.floor(now + machineMonotonic() - at)
  }
}

async function handlerOf(module: string): Promise<(context: unknown) => unknown> {
  let exported: { readonly default?: unknown }
  try {
    exported = (await import(module)) as typeof exported
  } catch (cause) {
    const what = 'of an isolated task cannot be imported'
    throw invalidValue('module', what, module, 'The cause says why.', 'INVALID_MODULE', cause)
  }
  // TypeScript may have compiled the module to CommonJS. Its default export is then the member `default` of the module's
  // exports. `import` puts these exports into another `default`, so the handler is in `default.default`.
  const given = exported.default
  const inner = typeof given === 'object' && given !== null && 'default' in given ? given.default : given
  if (typeof inner === 'function') return inner as (context: unknown) => unknown
  const remedy = 'Write `export default async (context) => { … }`.'
  const what = 'of an isolated task has no function as its default export'
  throw invalidValue('module', what, module, remedy, 'INVALID_MODULE')
}
