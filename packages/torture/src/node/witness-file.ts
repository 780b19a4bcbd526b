import type { TaskContext } from '@jobistemer/core'
import { hostTime } from '../record/host-time.ts'
import type { LineWriter } from '../record/line-file.ts'
import type { WitnessEnd, WitnessLine } from '../record/witness.ts'
import type { Witness } from '../workload/define-workload.ts'
import type { StallWatch } from './stall-watch.ts'

/** Writes the witness file of a node process: one line at each start of a handler, and one at its end. */
export class WitnessFile implements Witness {
  readonly #writer: LineWriter
  readonly #life: string
  readonly #stalls: StallWatch
  readonly #node: () => string

  constructor(writer: LineWriter, options: { life: string; stalls: StallWatch; node: () => string }) {
    this.#writer = writer
    this.#life = options.life
    this.#stalls = options.stalls
    this.#node = options.node
  }

  start(context: TaskContext): void {
    const stall = this.#stalls.latest()
    const { kind } = context.occurrence
    const scheduledAt = context.scheduledAt.getTime()
    const takenAt = context.startedAt.getTime()
    this.#write({ event: 'start', ...this.#about(context), kind, scheduledAt, takenAt, stall })
  }

  end(context: TaskContext, outcome: WitnessEnd['outcome']): void {
    this.#write({ event: 'end', ...this.#about(context), outcome })
  }

  #about(context: TaskContext) {
    return {
      ...hostTime(),
      occurrence: context.occurrence.id,
      job: context.job.name,
      task: context.task.name,
      attempt: context.attempt,
      token: context.fencingToken,
      node: this.#node(),
      life: this.#life,
    }
  }

  #write(line: WitnessLine): void {
    this.#writer.write(line)
  }
}
