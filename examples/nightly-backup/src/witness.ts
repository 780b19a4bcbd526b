import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { TaskContext, TaskDefinition } from '@jobistemer/core'

/** The line that a handler writes when it starts and when it ends. */
export interface WitnessLine {
  readonly event: 'start' | 'succeeded' | 'failed'
  readonly occurrence: string
  readonly scheduledAt: string
  readonly task: string
  readonly attempt: number
  readonly fencingToken: number
  /** The name of the node. */
  readonly node: string
  readonly process: number
  readonly at: string
}

/** The file to which a node's handlers append their records, and the name of the node. */
export interface Witness {
  readonly file: string
  readonly node: string
}

/**
 * Wraps a task so that it writes a separate record to a file, independent of the scheduler and its ledger. The checks
 * compare the record with the ledger.
 */
export function witnessed<Data, Result>(
  witness: Witness,
  task: TaskDefinition<Data, Result>,
): TaskDefinition<Data, Result> {
  const { run } = task
  // Its work is a handler that a node has by name: that is where the record would have to be written.
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

/** All lines in the order in which they were written, by whichever process. */
export function readWitness(file: string): readonly WitnessLine[] {
  if (!existsSync(file)) return []
  // The last line may be incomplete.
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
  // Opened with O_APPEND and written in one piece: lines of several processes never mix.
  appendFileSync(file, `${JSON.stringify(line)}\n`)
}
