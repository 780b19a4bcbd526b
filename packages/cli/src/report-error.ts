import { maskSecrets } from '@jobistemer/core/storage'
import { CliError } from './cli-error.ts'
import { exitCodes } from './exit-codes.ts'
import type { Printer } from './output/printer.ts'
import { text } from './output/rendered.ts'

/** An error in the form in which the program prints it for people and as JSON. */
export interface ReportedError {
  readonly code: string
  readonly message: string
  readonly field: string | null
  readonly remedy: string | null
  readonly exitCode: number
}

const usageCodes = /^(INVALID_|UNKNOWN_|DUPLICATE_|SCHEDULE_NEVER_FIRES|DATA_TOO_LARGE|HANDLER_NOT_FOUND)/
const conflictCodes = /^(VERSION_CONFLICT|CLOCK_UNCONFIRMED|STORAGE_REFUSED|SCHEDULER_STATE)$/
const notFoundCodes = /^(JOB|TASK|OCCURRENCE)_NOT_FOUND$/

/**
 * The remedies of core that name functions, and the field and remedy that this program reports instead. The texts
 * are those of core, so a test of each error fails if core changes its text.
 */
const remedies: Readonly<Record<string, { readonly field: string; readonly remedy: string }>> = {
  'Take the id from occurrences() or an event; pruned ones are gone.': {
    field: 'RUN',
    remedy: 'jobistemer history JOB and jobistemer failures print the ids of runs. Pruned runs are gone.',
  },
  'Give the id of an occurrence, from occurrences() or an event.': {
    field: 'RUN',
    remedy: 'jobistemer history JOB and jobistemer failures print the ids of runs.',
  },
  'Give an instant that nextRuns() lists.': {
    field: 'INSTANT',
    remedy: 'jobistemer next JOB prints the next slots of the job.',
  },
  'Correct the name, or add the job. A scheduler finds its own jobs and jobs that are data; createClient({ storage }) finds all stored jobs.':
    { field: 'NAME', remedy: 'jobistemer jobs lists the stored jobs.' },
  'Give a file of its own to Jobistemer; it makes one that does not exist. Or give tablePrefix, if its tables are to be among those of your application.':
    {
      field: '--storage',
      remedy: 'Give the file that the schedulers use. If the schedulers have a tablePrefix, give it with --prefix.',
    },
}

/** Converts an error to the code, message, remedy and exit code that the program reports. */
export function reportOf(error: unknown, isInterrupted: boolean): ReportedError {
  if (isInterrupted && !(error instanceof CliError)) {
    return {
      code: 'INTERRUPTED',
      message: 'Stopped by Ctrl-C. A call that the storage has received may still take effect.',
      field: null,
      remedy: null,
      exitCode: exitCodes.interrupted,
    }
  }
  const { code, message: said, field, remedy, exitCode } = membersOf(error)
  const message = maskSecrets(said)
  if (error instanceof CliError) return { code, message, field, remedy, exitCode }
  const problem = withoutRemedy(message, remedy)
  const own = remedies[remedy ?? '']
  if (own === undefined) return { code, message: problem, field, remedy, exitCode: exitCodeOf(code) }
  const startsWithField = field !== null && problem.startsWith(`${field} `)
  const named = startsWithField ? `${own.field}${problem.slice(field.length)}` : problem
  return { code, message: named, ...own, exitCode: exitCodeOf(code) }
}

/** Writes an error: message, field, remedy, and the stack with --debug. */
export function printError(err: Printer, reported: ReportedError, { stack }: { readonly stack: unknown }): void {
  if (err.isJson) err.json({ error: reported })
  else {
    const { code, message, field, remedy } = reported
    const [first = '', ...others] = message.split('\n')
    const { bold, dim, red } = err.styles
    const about = field === null || message.includes(field) ? code : `${code}, ${field}`
    err.line(text`${bold(red('error'))}: ${first} ${dim(`(${about})`)}`)
    for (const line of others) err.block(line, '  ')
    if (remedy !== null) err.block(remedy, '  ')
  }
  if (stack !== undefined) err.block(withoutSecrets(stackOf(stack)), '    ')
}

function exitCodeOf(code: string): number {
  if (notFoundCodes.test(code)) return exitCodes.notFound
  if (conflictCodes.test(code)) return exitCodes.conflict
  if (code === 'WAIT_TIMEOUT') return exitCodes.waitTimeout
  if (usageCodes.test(code)) return exitCodes.usage
  // A code that none of the rules above matches comes from a storage, a database driver or a bug. Codes of SQLite's driver
  // begin with `SQLITE_`.
  return /^(STORAGE_|SQLITE_)/.test(code) ? exitCodes.storage : exitCodes.internal
}

function membersOf(error: unknown) {
  const { message, code, field, remedy, exitCode } = (
    typeof error === 'object' && error !== null ? error : { message: String(error) }
  ) as Partial<Record<'message' | 'code' | 'field' | 'remedy' | 'exitCode', unknown>>
  return {
    code: typeof code === 'string' ? code : 'INTERNAL',
    message:
      typeof message === 'string' && message !== '' ? message : 'The command failed with an error without a message.',
    field: typeof field === 'string' ? field : null,
    remedy: typeof remedy === 'string' ? remedy : null,
    exitCode: typeof exitCode === 'number' ? exitCode : exitCodes.internal,
  }
}

/** Removes the remedy from the end of the message, where core has appended it. */
function withoutRemedy(message: string, remedy: string | null): string {
  return remedy !== null && message.endsWith(` ${remedy}`) ? message.slice(0, -remedy.length - 1) : message
}

/**
 * Masks secrets in a stack, except in lines that name a file: package paths contain `@` and would look like secrets.
 */
function withoutSecrets(stack: string): string {
  const lines = stack.split('\n').map((line) => (/^\s+at /.test(line) ? line : maskSecrets(line)))
  return lines.join('\n')
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.stack ?? error.message
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`
}
