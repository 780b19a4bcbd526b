import { JobistemerError } from '../../../errors.ts'
import type { Child, ChildEnd } from './child.ts'

/** Returns the error of an attempt whose child has ended before the handler, with exit code, signal and last output. */
export function childDied(taskName: string, child: Child, { exitCode, signal, error }: ChildEnd): JobistemerError {
  const how = signal !== null ? `signal ${signal}` : exitCode !== null ? `exit code ${exitCode}` : 'it never began'
  const lines = child.lastLines()
  const wrote = lines === '' ? '' : ` It wrote last: ${lines}`
  return new JobistemerError('CHILD_DIED', {
    message: `The ${child.name} of task ${JSON.stringify(taskName)} died before its handler had ended: ${how}.${wrote}`,
    field: 'module',
    value: { exitCode, signal },
    ...(exitCode === 0 && { remedy: 'A handler ends by returning: it must not call process.exit().' }),
    ...(error !== undefined && { cause: error }),
  })
}
