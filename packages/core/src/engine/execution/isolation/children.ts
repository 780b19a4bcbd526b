import { JobistemerError } from '../../../errors.ts'
import type { IsolatedWork } from '../../../job/isolated-work.ts'
import { systemClock } from '../../../system-clock.ts'
import type { Timer } from '../../../clock.ts'
import type { EngineContext } from '../../storage-access/engine-context.ts'
import { type Child, type ChildListener, noListener, LastLines } from './child.ts'
import { Starter } from './starter-process.ts'
import { outputGraceMs, upkeepMs } from '../../../tuning.ts'
import { killedGraceMs } from '../tuning.ts'
import { Worker } from 'node:worker_threads'
import { threadProgram } from '../../../isolated/programs.ts'

/** An attempt of an isolated task that waits for a child. */
export interface ChildSeeker extends ChildListener {
  readonly work: IsolatedWork
  /** Called with the child for this attempt. */
  got(child: Child): void
  /** Called if no child can be started. */
  refused(error: JobistemerError): void
}

interface IdleChild {
  readonly child: Child
  readonly key: string
  readonly timer: Timer
}

/**
 * The threads and processes of one node: at most `most` at a time. Attempts wait for a child in the order of their arrival. A
 * child of a pool is reused by attempts with the same key.
 */
export class Children {
  readonly #engine: Pick<EngineContext, 'fail'>
  readonly #most: number
  readonly #starter = new Starter()
  readonly #living = new Set<Child>()
  /** Idle children of pools, longest idle first. */
  readonly #idle: IdleChild[] = []
  readonly #waiting: ChildSeeker[] = []
  #whenEmpty: (() => void) | undefined

  constructor(engine: Pick<EngineContext, 'fail'>, { most }: { readonly most: number }) {
    this.#engine = engine
    this.#most = most
  }

  /** Number of living children. */
  get size(): number {
    return this.#living.size
  }

  /** Passes a child to the seeker as soon as a pooled child is idle or a new child may start. */
  seek(seeker: ChildSeeker): void {
    this.#waiting.push(seeker)
    this.#serve()
  }

  /** Removes a seeker from the waiting line. */
  leave(seeker: ChildSeeker): void {
    const index = this.#waiting.indexOf(seeker)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  /**
   * Takes a child back after its attempt. `isUsable`: the attempt ended by itself, so a pool may reuse the child. A child
   * without a pool is killed if it still lives after {@link outputGraceMs}.
   */
  give(child: Child, work: IsolatedWork, isUsable: boolean): void {
    if (!this.#living.has(child)) return
    child.listener = { heard: () => undefined, ended: () => this.#gone(child) }
    if (!work.pool) {
      systemClock.setTimer(outputGraceMs, () => child.kill(), { unref: true })
      return
    }
    if (!isUsable) {
      child.kill()
      return
    }
    const timer = systemClock.setTimer(upkeepMs / 2, () => this.#endIdle(child), { unref: true })
    this.#idle.push({ child, key: keyOf(work), timer })
    this.#serve()
  }

  /** Kills all children. The caller has aborted all attempts before, so that no waiting attempt starts a child. */
  kill(): void {
    for (const child of this.#living) child.kill()
  }

  /**
   * Ends all children, then the starter processes. Waits at most {@link killedGraceMs} for each of the two steps. The caller
   * has aborted all attempts before.
   */
  async end(): Promise<void> {
    if (this.#living.size > 0) await this.#endLiving()
    await this.#starter.end(killedGraceMs)
  }

  async #endLiving(): Promise<void> {
    for (const { timer } of this.#idle.splice(0)) timer.cancel()
    this.kill()
    await new Promise<void>((resolve) => {
      const giveUp = systemClock.setTimer(killedGraceMs, resolve)
      this.#whenEmpty = () => {
        giveUp.cancel()
        resolve()
      }
    })
    for (const { name } of this.#living)
      this.#engine.fail('isolation', new Error(`the child ${name} was killed but has not ended`))
  }

  #serve(): void {
    while (this.#waiting.length > 0) {
      const seeker = this.#waiting[0] as ChildSeeker
      const kept = this.#takeIdle(keyOf(seeker.work))
      if (kept === null && this.#living.size >= this.#most) {
        // Ends the child that has been idle longest, to make room for a child of this seeker. The end of the idle child calls
        // this method again.
        const [oldest] = this.#idle
        if (oldest !== undefined) this.#endIdle(oldest.child)
        return
      }
      this.#waiting.shift()
      if (kept === null) this.#start(seeker)
      else this.#handOver(kept, seeker)
    }
  }

  #start(seeker: ChildSeeker): void {
    let child: Child
    try {
      child = seeker.work.isolation === 'thread' ? startThread(seeker.work) : this.#starter.get().start(seeker.work)
    } catch (cause) {
      seeker.refused(
        new JobistemerError('CHILD_DIED', {
          message: `A ${seeker.work.isolation} for an isolated task could not be started.`,
          remedy: 'See the cause.',
          cause,
        }),
      )
      return
    }
    this.#living.add(child)
    this.#handOver(child, seeker)
  }

  #handOver(child: Child, seeker: ChildSeeker): void {
    child.listener = {
      heard: (message) => seeker.heard(message),
      ended: (end) => {
        this.#gone(child)
        seeker.ended(end)
      },
    }
    seeker.got(child)
  }

  #takeIdle(key: string): Child | null {
    const idle = this.#idle.findLast((one) => one.key === key)
    if (idle === undefined) return null
    this.#forgetIdle(idle.child)
    return idle.child
  }

  #endIdle(child: Child): void {
    this.#forgetIdle(child)
    child.kill()
  }

  #forgetIdle(child: Child): void {
    const index = this.#idle.findIndex((idle) => idle.child === child)
    if (index >= 0) this.#idle.splice(index, 1)[0]?.timer.cancel()
  }

  #gone(child: Child): void {
    this.#living.delete(child)
    this.#forgetIdle(child)
    if (this.#living.size === 0) this.#whenEmpty?.()
    this.#serve()
  }
}

/** Returns the key of the pool for this work. Children with equal keys are interchangeable. */
function keyOf({ isolation, module, resourceLimits, env }: IsolatedWork): string {
  return JSON.stringify([isolation, module, resourceLimits, env])
}

function startThread({ resourceLimits, env }: IsolatedWork): Child {
  const worker = new Worker(threadProgram(), { resourceLimits, ...(env !== null && { env }), stderr: true })
  let error: unknown
  const child: Child = {
    listener: noListener,
    name: `thread ${worker.threadId}`,
    lines: new LastLines(),
    post: (message) => worker.postMessage(message),
    kill: () => void worker.terminate(),
  }
  // The timers of the node keep its process alive, so the thread need not keep it alive.
  worker.unref()
  worker.stderr.setEncoding('utf8').on('data', (text: string) => {
    child.lines.add(text)
    process.stderr.write(text)
  })
  worker.on('message', (message) => child.listener.heard(message))
  worker.on('error', (thrown) => {
    error = thrown
  })
  worker.on('exit', (exitCode) => child.listener.ended({ exitCode, signal: null, error }))
  return child
}
