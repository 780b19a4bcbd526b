import { JobistemerError, printValue } from '../../errors.ts'

/** The error of a run that has twice kept its node from giving heartbeats. */
export function eventLoopBlocked(jobName: string): JobistemerError {
  return new JobistemerError('EVENT_LOOP_BLOCKED', {
    message: `A handler of job ${printValue(jobName)} blocks the event loop: two nodes that ran it counted as dead.`,
    field: 'run',
    value: jobName,
    remedy: 'Run the task in a thread or a process of its own: set its module and its isolation.',
  })
}
