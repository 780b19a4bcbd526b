/**
 * Descriptor of a pipe between a child and its starter. The pipe carries no data, and closes when the node or the starter ends.
 * The child watches the pipe, and ends when the pipe closes.
 */
export const watchedDescriptor: number = 4

/** Whether this platform has process groups, which can be killed as a whole. */
export const hasGroups: boolean = process.platform !== 'win32'

/** Kills the process group that the process leads. On a platform without process groups, kills only the process. */
export function killGroup(pid: number): void {
  try {
    process.kill(hasGroups ? -pid : pid, 'SIGKILL')
  } catch {
    // Ignore the error: `kill` throws if the process group is empty.
  }
}

/**
 * Ends this process at once, with all processes that it has started. Called after the node that uses this process has ended.
 */
export function endGroup(): void {
  killGroup(process.pid)
}
