import { killGroup } from './kill-group.ts'

/** Ends this process at once, with all processes that it has started. Called after their node has ended. */
export function endGroup(): void {
  killGroup(process.pid)
}
