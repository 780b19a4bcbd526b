/** Whether a process can lead a group that is killed as one. */
export const hasGroups: boolean = process.platform !== 'win32'

/** Kills a process that leads a group, with all that it has started; where there are no groups, it alone. */
export function killGroup(pid: number): void {
  try {
    process.kill(hasGroups ? -pid : pid, 'SIGKILL')
  } catch {
    // The process group is empty.
  }
}
