import type { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

/** Checks that each process ended only when the driver requested its end, and that no engine reported a failure. */
export function checkProcesses(view: RunView): readonly Violation[] {
  const violations: Violation[] = []
  for (const { life, code, signal, expected } of view.lines('exited')) {
    if (expected && (signal === 'SIGKILL' || code === 0)) continue
    violations.push({
      rule: 'process',
      job: null,
      occurrence: null,
      message: `${life} ended with ${signal ?? `code ${code}`}`,
    })
  }
  for (const { life, where, message } of view.lines('engine-failed')) {
    violations.push({ rule: 'engine', job: null, occurrence: null, message: `${life} failed in ${where}: ${message}` })
  }
  return violations
}
