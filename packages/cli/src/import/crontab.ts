import { CliError } from '../cli-error.ts'
import { cronInstants, readCronLine } from './cron-daemon.ts'
import type { Imported, ImportedJob, ImportNote, ImportSource } from './import-source.ts'

const shortcuts: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
  '@every_minute': '* * * * *',
}

const assignment = /^\s*("[^"]*"|'[^']*'|[^\s"'=]+)\s*=\s*(.*?)\s*$/
const notCarried: Readonly<Record<string, string>> = {
  MAILTO: 'MAILTO is not carried over: Jobistemer sends no mail. The run keeps the error of a failed command.',
  MAILFROM: 'MAILFROM is not carried over: Jobistemer sends no mail.',
  RANDOM_DELAY: 'RANDOM_DELAY is not carried over. Use H in the expression to spread jobs.',
  CONTENT_TYPE: 'CONTENT_TYPE is not carried over: Jobistemer sends no mail.',
  CONTENT_TRANSFER_ENCODING: 'CONTENT_TRANSFER_ENCODING is not carried over: Jobistemer sends no mail.',
}

/** Options of {@link crontab}. */
export interface CrontabOptions {
  /** The text of the crontab. */
  readonly text: string
  /** A system crontab: a column with the user stands before the command. */
  readonly isSystem: boolean
}

/** The source `crontab`: one file of cron, as cronie, Debian and BSD read it. */
export function crontab({ text, isSystem }: CrontabOptions): ImportSource {
  return {
    name: 'cron',
    async read({ timezone }) {
      return readLines(text, isSystem, timezone)
    },
    rules: {
      gap: 'cron runs a skipped time at the jump, once for each skipped minute of the expression. Jobistemer runs it once.',
      fold: 'cron runs a repeated time once if minute and hour do not begin with *, else both times. So does Jobistemer.',
    },
    async instantsAfter({ original }, afterMs) {
      const { expression, timezone } = original as { readonly expression: string; readonly timezone: string }
      return cronInstants(readCronLine(expression), timezone, afterMs)
    },
    explain: ({ original }) =>
      (original as { readonly expression: string }).expression.includes('~')
        ? 'cron picks a random number for ~ at each load. Jobistemer derives it from the name of the job, so it never changes.'
        : null,
    stop: (_jobs, { cutOver }) => [
      '# cron has no end date. Between the last slot before the cut-over and the cut-over, remove the imported lines:',
      `# ${new Date(cutOver).toISOString()}`,
      isSystem ? 'sudo editor /etc/crontab' : 'crontab -e',
    ],
  }
}

function readLines(text: string, isSystem: boolean, machineZone: string): Imported {
  const jobs: ImportedJob[] = []
  const notes: ImportNote[] = [
    {
      origin: 'all lines',
      kind: 'differs',
      text: 'cron does not catch up after a downtime; the jobs say recoveryStrategy mark_as_missed. Remove it to run the last missed slot.',
    },
    {
      origin: 'all lines',
      kind: 'differs',
      text: 'cron runs a command on one machine. Jobistemer runs it on the node that takes the run: that machine needs the command.',
    },
  ]
  const names = new Map<string, number>()
  let env: Readonly<Record<string, string>> = {}
  let timezone = machineZone
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const origin = `line ${index + 1}`
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const note = (kind: ImportNote['kind'], text: string): void => void notes.push({ origin, kind, text })
    const variable = assignment.exec(line)
    if (variable !== null) {
      const [name = '', value = ''] = variable.slice(1).map((part) => part.replace(/^(["'])(.*)\1$/, '$2'))
      const reason = notCarried[name]
      if (name === 'CRON_TZ') timezone = value === '' ? machineZone : value
      else if (reason !== undefined) note('left_out', reason)
      else env = { ...env, [name]: value }
      continue
    }
    const entry = splitEntry(line, isSystem)
    if (typeof entry === 'string') {
      note('left_out', entry)
      continue
    }
    const { expression, user, command, stdin } = entry
    let wanted = expression
    try {
      readCronLine(expression)
      wanted = translated(expression)
    } catch (error) {
      note('left_out', `${(error as Error).message} The line is: ${line}`)
      continue
    }
    if (wanted.includes('H')) note('differs', 'cron picks a random number at each load. H stays the same for one job.')
    const short = command.length > 200 ? command.slice(0, 200) : command
    const count = (names.get(short) ?? 0) + 1
    names.set(short, count)
    const data = {
      command,
      ...(stdin !== null && { stdin }),
      ...(user !== null && { user }),
      ...(Object.keys(env).length > 0 && { env }),
    }
    jobs.push({
      name: count === 1 ? short : `${short} #${count}`,
      origin,
      schedule: { type: 'cron', expression: wanted, timezone },
      handler: 'crontab',
      data,
      settings: { overlapPolicy: 'allow', recoveryStrategy: 'mark_as_missed' },
      original: { expression, timezone },
    })
  }
  return { jobs, notes }
}

interface Entry {
  readonly expression: string
  readonly user: string | null
  readonly command: string
  readonly stdin: string | null
}

/** Splits a line with a command. Returns a sentence if the line is left out. */
function splitEntry(line: string, isSystem: boolean): Entry | string {
  // SUSE and BSD: a dash, or options, keep cron from logging.
  const [first = '', ...words] = line.replace(/^-\s*(?=[@\d*])/, '').split(/(\s+)/)
  const isShortcut = first.startsWith('@')
  const columns = isShortcut ? 1 : 5
  const parts = [first, ...words]
  const take = (count: number): readonly string[] => parts.splice(0, 2 * count).filter((_, index) => index % 2 === 0)
  const fields = take(columns)
  const user = isSystem ? (take(1)[0] ?? '') : null
  const rest = parts.join('').trim()
  if (isShortcut) {
    const name = first.toLowerCase()
    if (name === '@reboot') {
      return `@reboot is not carried over: Jobistemer has no slot at the start of a machine. Start it with the machine: ${rest}`
    }
    if (!Object.hasOwn(shortcuts, name))
      return `${first} is not carried over: Jobistemer does not know this word. The line is: ${line}`
  }
  if (fields.length < columns || rest === '' || user === '')
    return `cron ignores this line, because a column is missing: ${line}`
  const expression = isShortcut ? (shortcuts[first.toLowerCase()] as string) : fields.join(' ')
  return { expression, user, ...splitCommand(rest) }
}

/** The first bare % ends the command; the text after it is standard input, where each bare % is a line break. */
function splitCommand(text: string): { readonly command: string; readonly stdin: string | null } {
  const [command = '', ...lines] = text.split(/(?<!\\)%/).map((part) => part.replaceAll('\\%', '%'))
  return { command: command.trim(), stdin: lines.length === 0 ? null : `${lines.join('\n')}\n` }
}

/** The expression for Jobistemer. @throws Error for an expression of another meaning there */
function translated(expression: string): string {
  const fields = expression.split(' ')
  const [, , days = '', , weekdays = ''] = fields
  const isStepped = (field: string): boolean => field.startsWith('*') && !/^\*(\/1)?$/.test(field)
  const restricts = (field: string): boolean => !/^\*(\/1)?$/.test(field)
  if ((isStepped(days) && restricts(weekdays)) || (isStepped(weekdays) && restricts(days))) {
    throw new CliError({
      code: 'INVALID_SCHEDULE',
      message:
        'A day field begins with *, so cron runs the line on days that match both day fields. Jobistemer runs on days that match either.',
    })
  }
  return fields.map((field) => field.replace(/(\d+)~(\d+)/g, 'H($1-$2)').replace(/^~$/, 'H')).join(' ')
}
