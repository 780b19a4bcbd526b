import { AsyncResource } from 'node:async_hooks'
import { toDurationMs } from '../../../duration.ts'
import { toErrorRecord } from '../../../error-record.ts'
import { JobistemerError } from '../../../errors.ts'
import {
  type AskedOfNode,
  type FromChild,
  isFromProgram,
  type ToldTime,
  type IsolatedAttemptData,
  sentMembers,
} from '../../../isolated/messages.ts'
import { revivedError } from '../../../isolated/revived-error.ts'
import type { IsolatedWork } from '../../../job/isolated-work.ts'
import type { TaskContext } from '../../../job/task.ts'
import type { JsonValue } from '../../../json.ts'
import { sleepInHandler } from '../../../sleep.ts'
import { machineMonotonic } from '../../../system-clock.ts'
import type { EngineContext } from '../../storage-access/engine-context.ts'
import { type Child, type ChildEnd, childDied } from './child.ts'
import type { Children, ChildSeeker } from './children.ts'

let attempts = 0

/** One attempt of an isolated task: the protocol between the node and the child that runs the handler. */
export class IsolatedAttempt implements ChildSeeker {
  readonly work: IsolatedWork
  /** Settles with the outcome of the attempt when the handler or its child has ended. */
  readonly result: Promise<JsonValue | undefined>
  readonly #engine: EngineContext
  readonly #children: Children
  readonly #context: TaskContext
  readonly #onBegin: () => void
  readonly #number = ++attempts
  readonly #ask: (asked: AskedOfNode) => Promise<JsonValue | undefined>
  #resolve: (result: JsonValue | undefined) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  #child: Child | null = null
  #crash: unknown
  /** Aborts the sleeps of the handler; `null` until the first sleep, because most handlers never sleep. */
  #sleeping: AbortController | null = null
  isOver = false
  #wasKilled = false

  /** `onBegin`: called when the attempt gets its child. This may happen before this constructor returns. */
  constructor(
    engine: EngineContext,
    children: Children,
    options: { readonly work: IsolatedWork; readonly context: TaskContext; readonly onBegin: () => void },
  ) {
    this.#engine = engine
    this.#children = children
    this.work = options.work
    this.#context = options.context
    this.#onBegin = options.onBegin
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // The child may have been created in another async context. So bind the child's calls to the async context of the handler.
    this.#ask = AsyncResource.bind((asked: AskedOfNode) => this.#answerTo(asked))
    children.seek(this)
    if (!this.isOver) this.#context.signal.addEventListener('abort', () => this.#tellToStop(), { once: true })
  }

  /** Kills the child of this attempt. Returns false if the attempt has ended, or its child was killed before. */
  kill(): boolean {
    if (this.isOver || this.#wasKilled || this.#child === null) return false
    this.#wasKilled = true
    const { name } = this.#child
    const { job, task, occurrence } = this.#context
    const fields = { job: job.name, task: task.name, occurrenceId: occurrence.id, child: name }
    this.#engine.logger.warn(fields, 'an isolated task did not stop in time: killing its child')
    this.#child.kill()
    return true
  }

  got(child: Child): void {
    this.#child = child
    this.#onBegin()
    const { module, pool } = this.work
    const context = this.#context
    const attempt = Object.fromEntries(
      sentMembers.map((name) => [name, context[name]]),
    ) as unknown as IsolatedAttemptData
    child.post({ kind: 'run', run: this.#number, module, time: this.#time(), attempt, isLast: !pool })
  }

  refused(error: JobistemerError): void {
    this.#end()
    this.#reject(error)
  }

  heard(message: unknown): void {
    if (this.isOver || !isFromProgram(message)) return
    try {
      if (message.kind === 'crashed') this.#crash = revivedError(message.error)
      // Ignores messages of other attempts, because a pooled child may still send messages of its previous attempt.
      else if (message.run === this.#number) this.#heard(message)
    } catch (error) {
      // An invalid message shows that the child is faulty. The attempt fails, and the node continues.
      this.#release(false)
      this.#reject(error)
    }
  }

  ended(end: ChildEnd): void {
    if (this.isOver || this.#child === null) return
    this.#end()
    const { signal, task } = this.#context
    if (signal.aborted) this.#reject(signal.reason)
    else this.#reject(childDied(task.name, this.#child, { ...end, error: end.error ?? this.#crash }))
  }

  #tellToStop(): void {
    if (this.isOver) return
    const { reason } = this.#context.signal
    if (this.#child !== null) {
      this.#child.post({ kind: 'abort', run: this.#number, error: toErrorRecord(reason) })
      this.#sleeping?.abort(reason)
    } else {
      this.#children.leave(this)
      this.#end()
      this.#reject(reason)
    }
  }

  #heard(message: Exclude<FromChild, { kind: 'crashed' }>): void {
    switch (message.kind) {
      case 'returned':
        this.#release(true)
        this.#resolve(message.result)
        return
      case 'threw': {
        const error = revivedError(message.error)
        if (message.isNonRetryable) Object.defineProperty(error, 'retryable', { value: false, enumerable: true })
        // Node.js caches a failed import. So after `INVALID_MODULE` the pool does not reuse this child.
        this.#release(!JobistemerError.isInstance(error, 'INVALID_MODULE'))
        this.#reject(error)
        return
      }
      case 'progress':
        this.#context.progress(message.fraction, message.message ?? undefined)
        return
      case 'log':
        this.#context.logger[message.level](message.fields as object, message.message)
        return
      case 'call':
        this.#answer(message.call, message.asked)
    }
  }

  #end(): void {
    this.isOver = true
    this.#sleeping?.abort()
  }

  #release(isUsable: boolean): void {
    this.#end()
    if (this.#child !== null) this.#children.give(this.#child, this.work, isUsable && !this.#context.signal.aborted)
  }

  #answer(call: number, asked: AskedOfNode): void {
    const answer = (given: { readonly value?: JsonValue } | { readonly error: ReturnType<typeof toErrorRecord> }) => {
      if (!this.isOver) {
        this.#child?.post({ kind: 'answer', run: this.#number, call, time: this.#time(), ...given })
      }
    }
    this.#ask(asked).then(
      (value) => answer(value === undefined ? {} : { value }),
      (error) => answer({ error: toErrorRecord(error) }),
    )
  }

  async #answerTo(asked: AskedOfNode): Promise<JsonValue | undefined> {
    if (asked.name === 'previousRun') return (await this.#context.previousRun()) as JsonValue
    const milliseconds = toDurationMs(asked.duration as never, 'duration')
    this.#context.signal.throwIfAborted()
    // The sleep ends when its duration has passed or the attempt ends.
    this.#sleeping ??= new AbortController()
    await sleepInHandler(this.#engine.clock, milliseconds, this.#sleeping.signal)
    return undefined
  }

  #time(): ToldTime {
    return { now: this.#engine.now(), at: this.#engine.clock.isAuthoritative === true ? null : machineMonotonic() }
  }
}
