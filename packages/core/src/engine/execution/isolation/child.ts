import type { ToChild } from '../../../isolated/messages.ts'
import { mostListed } from '../../../tuning.ts'
import { longestShownText } from '../../storage-access/tuning.ts'
import { JobistemerError } from '../../../errors.ts'

/** How a child process or thread has ended. */
export interface ChildEnd {
  /** The exit code of the child; `null` if a signal ended the child, or if the child never started. */
  readonly exitCode: number | null
  readonly signal: string | null
  /** The uncaught error of the child, or the error with which the child failed to start. */
  readonly error?: unknown
}

/** Receives the messages of a child and its end. */
export interface ChildListener {
  heard(message: unknown): void
  ended(end: ChildEnd): void
}

/** The initial listener of a new child. `Children` replaces it before the child can send a message. */
export const noListener: ChildListener = { heard: () => undefined, ended: () => undefined }

/** A thread or a process that runs the handlers of isolated tasks. */
export interface Child {
  listener: ChildListener
  /** The name of the child in log lines and errors, such as `thread 3` or `process 4711`. */
  name: string
  /** The last lines that the child wrote to stderr. */
  readonly lines: LastLines
  post(message: ToChild): void
  /** Terminates the child, even during synchronous code. The listener then receives the child's end. */
  kill(): void
}

/** Matches a native stack frame, which V8 prints when a process runs out of memory. */
const nativeFrame = /^\s*\d+: 0x/

/** Keeps the last lines of an output stream. */
export class LastLines {
  #lines: string[] = []
  #open = ''

  add(text: string): void {
    const lines = (this.#open + text).split('\n')
    this.#open = (lines.pop() as string).slice(0, longestShownText)
    this.#keep(lines)
  }

  get(): string {
    this.#keep([this.#open])
    this.#open = ''
    return this.#lines.join('\n')
  }

  #keep(lines: readonly string[]): void {
    const kept = lines.filter((line) => line.trim() !== '' && !nativeFrame.test(line))
    this.#lines = [...this.#lines, ...kept.map((line) => line.slice(0, longestShownText))].slice(-mostListed)
  }
}

/**
 * Returns the error of an attempt whose child died before the handler had ended. The error names the exit code or the signal of
 * the child, and the last lines that the child wrote.
 */
export function childDied(taskName: string, child: Child, { exitCode, signal, error }: ChildEnd): JobistemerError {
  const how = signal !== null ? `signal ${signal}` : exitCode !== null ? `exit code ${exitCode}` : 'it never began'
  const lines = child.lines.get()
  const wrote = lines === '' ? '' : ` It wrote last: ${lines}`
  return new JobistemerError('CHILD_DIED', {
    message: `The ${child.name} of task ${JSON.stringify(taskName)} died before its handler had ended: ${how}.${wrote}`,
    field: 'module',
    value: { exitCode, signal },
    ...(exitCode === 0 && { remedy: 'A handler ends by returning: it must not call process.exit().' }),
    ...(error !== undefined && { cause: error }),
  })
}
