import type { JobTask } from '../../job/define-job.ts'
import type { TaskDocument } from '../../job/job-document.ts'
import type { TaskHandler } from '../../job/task.ts'
import type { Handlers } from './job-plan.ts'

// A client knows jobs by what is stored of them. What it asks for runs where their code is, and never in the client.

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

/** For every name a handler: that of another process. */
export const anyHandler: Handlers = new EveryHandler()

/** A stored task whose code is in another process. */
export function codeElsewhere({ name, settings, data, handler, isolation }: TaskDocument): JobTask {
  const run = handler === undefined ? notHere : undefined
  return { name, overrides: settings, data, handler, run, retryIf: undefined, isolation: isolation ?? null }
}
