import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { TaskContext, TaskDefinition } from '@jobistemer/core'

/** A line that a handler writes when it starts or ends. */
export interface WitnessLine {
  readonly event: 'start' | 'succeeded' | 'failed'
  readonly occurrence: string
  readonly scheduledAt: string
  readonly task: string
  readonly attempt: number
  readonly fencingToken: number
  /** The name of the node whose handler wrote the line. */
  readonly node: string
  readonly process: number
  readonly at: string
}

/** The file to which a node's handlers append a line at their start and end, and the name of the node. */
export interface Witness {
  readonly file: string
  readonly node: string
}

/**
 * Wraps a task so that its handler also appends a line to a file at its start and end, independently of the scheduler.
 * The checks compare these lines with the ledger.
 */
export function witnessed<Data, Result>(
  witness: Witness,
  task: TaskDefinition<Data, Result>,
): TaskDefinition<Data, Result> {
  const { run } = task
  // A task with a named handler has no function that this wrapper could call. So this wrapper returns the task unchanged.
  // The named handler must write its lines itself.
  if (run === undefined) return task
  return {
    ...task,
    run: async (context) => {
      write(witness, 'start', context)
      try {
        const result = await run(context)
        write(witness, 'succeeded', context)
        return result
      } catch (error) {
        write(witness, 'failed', context)
        throw error
      }
    },
  }
}

/** Returns the lines of all processes, in the order of writing. */
export function readWitness(file: string): readonly WitnessLine[] {
  if (!existsSync(file)) return []
  // The last line may be incomplete, because a kill can interrupt its write.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as WitnessLine)
}

function write({ file, node }: Witness, event: WitnessLine['event'], context: TaskContext): void {
  const line: WitnessLine = {
    event,
    occurrence: context.occurrence.id,
    scheduledAt: context.scheduledAt.toISOString(),
    task: context.task.name,
    attempt: context.attempt,
    fencingToken: context.fencingToken,
    node,
    process: process.pid,
    at: new Date().toISOString(),
  }
  // The file is opened with `O_APPEND` and each line is one write, so lines of several processes never mix.
  appendFileSync(file, `${JSON.stringify(line)}\n`)
}
