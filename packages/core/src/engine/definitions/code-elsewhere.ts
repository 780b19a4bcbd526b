import type { JobTask } from '../../job/define-job.ts'
import type { TaskDocument } from '../../job/job-document.ts'
import type { TaskHandler } from '../../job/task.ts'
import type { Handlers } from './job-plan.ts'

// A client knows only the stored definitions of jobs. Its requests run on nodes that have the code, never in the client.

const notHere: TaskHandler = () => {
  throw new Error('A client runs no tasks.')
}

class EveryHandler extends Map<string, TaskHandler> {
  override has(): boolean {
    return true
  }

  override get(): TaskHandler {
    return notHere
  }
}

/** Has a placeholder handler for every name, because a client need not have the handlers. */
export const anyHandler: Handlers = new EveryHandler()

/** Returns a stored task with a placeholder for its code, which is in another process. */
export function codeElsewhere({ name, settings, data, handler, isolation }: TaskDocument): JobTask {
  const run = handler === undefined ? notHere : undefined
  return { name, overrides: settings, data, handler, run, retryIf: undefined, isolation: isolation ?? null }
}
