import { killGroup } from './kill-group.ts'

/** Ends this process at once, with all processes that it has started: their node is gone. */
export function endGroup(): void {
  killGroup(process.pid)
}
