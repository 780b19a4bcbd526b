import type { IsolatedWork } from '../../../job/isolated-work.ts'
import { killGroup } from '../../../isolated/kill-group.ts'
import type { ToChild } from '../../../isolated/messages.ts'
import { type Child, type ChildEnd, type ChildListener, noListener } from './child.ts'
import { LastLines } from './last-lines.ts'

/** The starter process, as its children use it. */
export interface StarterOfChild {
  post(child: ProcessChild, message: ToChild): void
  kill(child: ProcessChild): void
  keepsAlive(child: ProcessChild, does: boolean): void
}

/** A process in which isolated tasks run. The starter process starts it, and forwards its messages to and from the node. */
export class ProcessChild implements Child {
  listener: ChildListener = noListener
  readonly number: number
  readonly work: IsolatedWork
  readonly #starter: StarterOfChild
  readonly #lastLines = new LastLines()
  #pid: number | null = null

  constructor(starter: StarterOfChild, number: number, work: IsolatedWork) {
    this.#starter = starter
    this.number = number
    this.work = work
  }

  get name(): string {
    return this.#pid === null ? 'process' : `process ${this.#pid}`
  }

  post(message: ToChild): void {
    this.#starter.post(this, message)
  }

  kill(): void {
    this.#starter.kill(this)
  }

  lastLines(): string {
    return this.#lastLines.get()
  }

  keepsAlive(does: boolean): void {
    this.#starter.keepsAlive(this, does)
  }

  started(pid: number): void {
    this.#pid = pid
  }

  wrote(text: string): void {
    this.#lastLines.add(text)
    process.stderr.write(text)
  }

  ended(end: ChildEnd): void {
    this.listener.ended(end)
  }

  /** Kills the process directly, because the starter process is gone. */
  killItself(): void {
    if (this.#pid !== null) killGroup(this.#pid)
  }
}
