import type { CreateAnswer, CreateRequested } from '../../storage/storage.ts'
import type { JobPlan } from '../jobs/job-plan.ts'
import type { RegisteredJob } from '../jobs/registered-job.ts'
import type { AskedCalls, Wait } from '../loop/asked-calls.ts'
import type { Gathered } from '../loop/gathered-calls.ts'
import type { Request, RequestIds } from './request-item.ts'
import type { TriggerResult } from './request-options.ts'

/** A request, and how it is sent. */
export interface Sending {
  readonly job: RegisteredJob
  readonly request: Request
  /** An instant that its record comes after. */
  readonly after: number
  readonly ids: RequestIds
  readonly asked: AskedCalls
  /** Whether it looks after the caller's timeout and signal itself. */
  readonly waits: boolean
}

/** What a request on its way asks of whoever sends it. */
export interface RequestSteps {
  /** Makes its item, and sets it. */
  prepare(sent: SentRequest, now: number): CreateRequested
  /** What the answer means for whoever asked. */
  answer(sent: SentRequest, answer: CreateAnswer): TriggerResult | Promise<TriggerResult>
  /** Looks after what a call without an answer may have started, and answers what whoever asked is told. */
  refusal(sent: SentRequest, error: unknown): unknown
  /** It is over. */
  closed(): void
}

/** One request on its way. An object and not a chain of promises: there may be thousands of them at a time. */
export class SentRequest implements Gathered<CreateRequested, CreateAnswer> {
  readonly job: RegisteredJob
  readonly request: Request
  readonly after: number
  readonly ids: RequestIds
  readonly asked: AskedCalls
  /** Monotonic instant. */
  readonly since: number
  /** As the last call that it was put into has them. */
  put: { readonly plan: JobPlan; readonly item: CreateRequested } | null = null
  readonly #steps: RequestSteps
  readonly #resolve: (result: TriggerResult) => void
  readonly #reject: (error: unknown) => void
  readonly #wait: Wait | null

  /** With `waits` it rejects as soon as the caller waits no more; what has been sent is seen to its end all the same. */
  constructor(
    steps: RequestSteps,
    { job, request, after, ids, asked, waits }: Sending,
    since: number,
    resolve: (result: TriggerResult) => void,
    reject: (error: unknown) => void,
  ) {
    this.job = job
    this.request = request
    this.after = after
    this.ids = ids
    this.asked = asked
    this.since = since
    this.#steps = steps
    this.#resolve = resolve
    this.#reject = reject
    this.#wait = waits ? asked.wait(reject) : null
  }

  /** Whether it was to begin in the step that creates it. */
  get starts(): boolean {
    return this.put !== null && this.put.item.runs !== null
  }

  prepare(now: number): CreateRequested {
    return this.#steps.prepare(this, now)
  }

  resolve(answer: CreateAnswer): void {
    let result: TriggerResult | Promise<TriggerResult>
    try {
      result = this.#steps.answer(this, answer)
    } catch (error) {
      this.#over(error)
      return
    }
    if (result instanceof Promise) this.#follow(result)
    else this.#done(result)
  }

  reject(error: unknown): void {
    const refusal = this.#steps.refusal(this, error)
    const over = (told: unknown): void => this.#over(told)
    if (refusal instanceof Promise) refusal.then(over, over)
    else over(refusal)
  }

  #follow(result: Promise<TriggerResult>): void {
    result.then(
      (value) => this.#done(value),
      (error) => this.#over(error),
    )
  }

  #done(result: TriggerResult): void {
    this.#wait?.end()
    this.#steps.closed()
    this.#resolve(result)
  }

  #over(error: unknown): void {
    this.#wait?.end()
    this.#steps.closed()
    this.#reject(error)
  }
}
