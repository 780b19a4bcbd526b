import { bounds, type CronLine, cronInstants, readCronLine } from './cron-daemon.ts'
import type { ImportedJob, ImportNotes, ImportSource } from './import-source.ts'
import { shellWord } from '../shell-word.ts'

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
const bothDays =
  'A day field begins with *, so cron runs the line on days that match both day fields. Jobistemer runs on days that match either.'
const randomNumbers = 'cron picks a random number for ~ at each load. Jobistemer derives it from the name of the job.'
const noMail = 'Jobistemer sends no mail. The run keeps the error of a failed command.'
const notCarried: Readonly<Record<string, string>> = {
  MAILTO: noMail,
  MAILFROM: noMail,
  CONTENT_TYPE: noMail,
  CONTENT_TRANSFER_ENCODING: noMail,
  RANDOM_DELAY: 'Use H in the expression to spread jobs.',
}

/** Options of {@link crontab}. */
export interface CrontabOptions {
  /** The text of the crontab. */
  readonly text: string
  /** The path of the crontab. `-`: the text comes from the standard input. */
  readonly file: string
  /** `true` for a system crontab, which names a user before each command. */
  readonly isSystem: boolean
}

/** The crontab line that an imported job comes from. */
interface CronLineOf {
  readonly expression: string
  readonly timezone: string
}

/** Creates the import source `crontab`, which reads one crontab as cronie, Debian and BSD do. */
export function crontab({ text, file, isSystem }: CrontabOptions): ImportSource {
  return {
    name: 'cron',
    differences: [
      'cron does not catch up after a downtime; the jobs say recoveryStrategy mark_as_missed. Remove it to run the last missed slot.',
      'cron runs a command as its user, in the home folder of this user. The handler crontab runs it as the user of the node, in the folder of the node.',
      'cron runs a command on one machine. Jobistemer runs it on the node that takes the run: that machine needs the command.',
    ],
    async read({ timezone }, notes) {
      notes.differs('all jobs', `Lines without CRON_TZ are read in the time zone ${timezone}. Give --zone for another.`)
      return readLines(text, isSystem, timezone, notes)
    },
    rules: {
      gap: 'cron runs a skipped time at the jump, once for each skipped minute of the expression. Jobistemer runs it once.',
      fold: 'cron runs a repeated time once if minute and hour do not begin with *, else both times. So does Jobistemer.',
    },
    async instantsAfter({ original }, afterMs) {
      const { expression, timezone } = original as CronLineOf
      return cronInstants(readCronLine(expression) as CronLine, timezone, afterMs)
    },
    explain: ({ original }) => ((original as CronLineOf).expression.includes('~') ? randomNumbers : null),
    stop: (_jobs, { cutOver }) => [
      '# cron has no end date. Between the last slot before the cut-over and the cut-over, remove the imported lines:',
      `# ${new Date(cutOver).toISOString()}`,
      isSystem
        ? `sudo editor ${file === '-' ? '/etc/crontab' : shellWord(file)}`
        : 'crontab -e # as the user whose crontab it is',
    ],
  }
}

function readLines(text: string, isSystem: boolean, machineZone: string, notes: ImportNotes): readonly ImportedJob[] {
  const jobs: ImportedJob[] = []
  const names = new Map<string, number>()
  let env: Readonly<Record<string, string>> = {}
  let timezone = machineZone
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const origin = `line ${index + 1}`
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const variable = assignment.exec(line)
    if (variable !== null) {
      const [name = '', value = ''] = variable.slice(1).map((part) => part.replace(/^(["'])(.*)\1$/, '$2'))
      const reason = notCarried[name]
      if (name === 'CRON_TZ') timezone = value === '' ? machineZone : value
      else if (reason !== undefined) notes.leftOut(origin, `${name} is not carried over: ${reason}`)
      else env = { ...env, [name]: value }
      continue
    }
    const entry = splitEntry(line, isSystem)
    const expression = typeof entry === 'string' ? entry : translated(entry.expression)
    if (typeof entry === 'string' || expression === null) {
      notes.leftOut(origin, expression ?? `${bothDays} The line is: ${line}`)
      continue
    }
    if (entry.expression.includes('~')) notes.differs(origin, randomNumbers)
    const { user, command, stdin } = entry
    const hasEnv = Object.keys(env).length > 0
    jobs.push({
      name: nameOf(command, names),
      origin,
      schedule: { type: 'cron', expression, timezone },
      handler: 'crontab',
      data: { command, ...(stdin !== null && { stdin }), ...(user !== null && { user }), ...(hasEnv && { env }) },
      settings: { overlapPolicy: 'allow', recoveryStrategy: 'mark_as_missed' },
      original: { expression: entry.expression, timezone },
    })
  }
  return jobs
}

/**
 * Returns a name for a command that no earlier line has: the beginning of the command, with a number if needed. `names` keeps
 * the last number of each name.
 */
function nameOf(command: string, names: Map<string, number>): string {
  // Removes the first half of a surrogate pair, which is no well-formed name.
  const short = command.slice(0, 200).replace(/[\uD800-\uDBFF]$/, '')
  let name = short
  for (let count = names.get(short) ?? 1; names.has(name); name = `${short} #${count}`) {
    count += 1
    names.set(short, count)
  }
  names.set(name, 1)
  return name
}

interface Entry {
  readonly expression: string
  readonly user: string | null
  readonly command: string
  readonly stdin: string | null
}

/**
 * Splits a crontab line into its schedule, user and command. If the importer leaves the line out, returns the reason as
 * a sentence.
 */
function splitEntry(line: string, isSystem: boolean): Entry | string {
  // Removes a dash at the start of the line. Some cron daemons, such as that of SUSE, do not log the runs of such a line.
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
  if (readCronLine(expression) === null) return `cron ignores this line, because its time is invalid: ${line}`
  return { expression, user, ...splitCommand(rest) }
}

/**
 * Splits a crontab command at its first unescaped `%`. The rest is standard input, in which each unescaped `%` is a
 * line break.
 */
function splitCommand(text: string): { readonly command: string; readonly stdin: string | null } {
  const [command = '', ...lines] = text.split(/(?<!\\)%/).map((part) => part.replaceAll('\\%', '%'))
  return { command: command.trim(), stdin: lines.length === 0 ? null : `${lines.join('\n')}\n` }
}

/** Returns the cron expression for Jobistemer, or `null` if the expression has another meaning in Jobistemer. */
function translated(expression: string): string | null {
  const [, , days = '', , weekdays = ''] = expression.split(' ')
  const isStepped = (field: string): boolean => field.startsWith('*') && restricts(field)
  const restricts = (field: string): boolean => !/^\*(\/1)?$/.test(field)
  if ((isStepped(days) && restricts(weekdays)) || (isStepped(weekdays) && restricts(days))) return null
  return expression
    .split(' ')
    .map((field, index) => (field === '~' ? 'H' : withBounds(field, bounds[index] as readonly [number, number])))
    .join(' ')
}

/** Writes a random range of a field, such as `~30`, in the syntax of Jobistemer. */
function withBounds(field: string, [min, max]: readonly [number, number]): string {
  const range = /(?<![a-z\d])(\d*)~(\d*)(?![a-z\d])/gi
  return field.replace(range, (_, low: string, high: string) => `H(${low || min}-${high || max})`)
}
