import type { JobSettingsInput, SerializedSchedule } from '@jobistemer/core'
import { importPackage } from '../storage/import-package.ts'
import type { ImportedJob, ImportSource } from './import-source.ts'
import { outdated } from './peers.ts'

type Options = Readonly<Record<string, unknown>>

/** The arguments of a call of node-cron's `cron.schedule` or of croner's `new Cron`. */
export interface ScheduleEntry {
  /** The name of the job. Default: `options.name`. */
  readonly name?: string
  /** The cron expression or pattern of the schedule. */
  readonly expression: string
  /** The options that the code passes to `cron.schedule` or `new Cron`. Default: none. */
  readonly options?: Readonly<Record<string, unknown>>
  /** The name of the job's handler in Jobistemer. Default: the name of the job. */
  readonly handler?: string
}

/**
 * Converts one schedule entry to an imported job. If the entry cannot be imported, returns the reason as a sentence.
 * Calls `note` for each option or rule of the library that Jobistemer treats differently.
 */
type Reader = (
  expression: string,
  options: Options,
  zone: string,
  note: (text: string) => void,
) => Pick<ImportedJob, 'schedule' | 'settings'> | string

interface NodeCronTask {
  getNextRuns(count: number): Date[]
}

interface NodeCronPackage {
  /** The method `getNextRuns` is missing before 4.4. */
  createTask(expression: string, run: () => void, options: object): Partial<NodeCronTask>
}

interface CronerPackage {
  readonly Cron: new (pattern: string, options: object) => { nextRun(after: Date): Date | null }
}

/**
 * Creates an import source from the schedules of node-cron. Use it as the default export of a module for `jobistemer
 * import`.
 */
export function fromNodeCron(entries: readonly ScheduleEntry[]): ImportSource {
  return {
    ...inCode('node-cron', entries, readNodeCron),
    rules: {
      gap: 'node-cron leaves a skipped time out. Jobistemer runs a fixed time at the first instant after the jump.',
      fold: 'node-cron runs a repeated time once. Jobistemer runs a fixed time once, and a time whose minute or hour begins with * each time.',
    },
    async instantsAfter({ original, schedule }, afterMs, { cwd }) {
      const library = await importPackage<Partial<NodeCronPackage>>('node-cron', { cwd, field: '--compare' })
      const { expression } = original as ScheduleEntry
      const task = library.createTask?.(expression, () => undefined, { timezone: schedule?.timezone })
      if (task?.getNextRuns === undefined) throw outdated('node-cron', '4.4')
      return nodeCronInstants(task as NodeCronTask, afterMs)
    },
  }
}

/**
 * Creates an import source from the schedules of croner. Use it as the default export of a module for `jobistemer
 * import`.
 */
export function fromCroner(entries: readonly ScheduleEntry[]): ImportSource {
  return {
    ...inCode('croner', entries, readCroner),
    rules: {
      gap: 'croner leaves skipped times out, unless second, minute and hour are single numbers. Jobistemer runs a fixed time at the first instant after the jump.',
      fold: 'croner runs repeated times twice, unless second, minute and hour are single numbers. Jobistemer runs a fixed time once, and a time whose minute or hour begins with * each time.',
    },
    async instantsAfter({ original }, afterMs, { cwd, timezone }) {
      const { Cron } = await importPackage<CronerPackage>('croner', { cwd, field: '--compare' })
      const { expression, options } = original as ScheduleEntry
      return cronerInstants(new Cron(expression, { timezone, ...options, name: undefined, paused: true }), afterMs)
    },
  }
}

function inCode(source: string, entries: readonly ScheduleEntry[], read: Reader): ImportSource {
  return {
    name: source,
    differences: [
      `${source} runs a job in each process that has it. Jobistemer runs each slot once, on one node.`,
      `${source} does not catch up after a downtime; the jobs say recoveryStrategy mark_as_missed. Remove it to run the last missed slot.`,
    ],
    async read({ timezone }, notes) {
      return entries.flatMap((entry, index) => {
        const { expression, options = {} } = entry
        const name = entry.name ?? options.name
        const isWhole = typeof name === 'string' && typeof expression === 'string'
        const origin = typeof name === 'string' ? name : `entry ${index + 1}`
        const note = (text: string): void => notes.differs(origin, text)
        const answer = isWhole ? read(expression, options, timezone, note) : 'It needs a name and an expression.'
        if (typeof answer === 'string') notes.leftOut(origin, answer)
        else return [{ name: origin, origin, handler: entry.handler ?? origin, ...answer, original: entry }]
        return []
      })
    },
  }
}

/** Adds a note for each option of `texts` that the user has set. The importer does not import these options. */
function noteOptions(options: Options, texts: Readonly<Record<string, string>>, note: (text: string) => void): void {
  for (const [option, text] of Object.entries(texts)) {
    if (options[option] !== undefined && options[option] !== false) note(`${option} is not carried over: ${text}`)
  }
}

function settingsOf(skipsOverlap: boolean): JobSettingsInput {
  return { overlapPolicy: skipsOverlap ? 'skip' : 'allow', recoveryStrategy: 'mark_as_missed' }
}

const nodeCronOptions = {
  maxExecutions: 'count the runs in the handler, or give the schedule an end.',
  maxRandomDelay: 'write H in the expression, which spreads jobs by their names.',
  distributed: 'Jobistemer runs each slot on one node.',
  executeTimeout: 'give taskTimeout.',
  missedExecutionTolerance: 'give misfireThreshold.',
  recoverMissedExecutions: 'remove recoveryStrategy to run the last missed slot.',
  runOnInit: 'trigger the job where your process starts.',
}

const otherVersions =
  'Versions of node-cron before 4.6 run it at other times: they read steps, ranges of weekdays to Sunday, L and # differently. Compare the instants with those of your version.'

const readNodeCron: Reader = (expression, options, zone, note) => {
  const fields = expression.trim().split(/\s+/)
  const [days = '', , weekdays = ''] = fields.slice(-3)
  if (fields.length >= 5 && restricts(days) && restricts(weekdays)) {
    return `node-cron runs on days that match both day fields, and Jobistemer on days that match either: ${expression}. Write it with one day field, for example FRI#2.`
  }
  // node-cron 3 does not start such a task.
  if (options.scheduled === false) return 'Its option scheduled has no counterpart: false.'
  noteOptions(options, nodeCronOptions, note)
  if (differsBetweenVersions(fields.slice(-5))) note(otherVersions)
  const timezone = String(options.timezone ?? zone)
  return { schedule: { type: 'cron', expression, timezone }, settings: settingsOf(options.noOverlap === true) }
}

const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** Returns whether versions of node-cron before 4.6 run a cron expression at other times than Jobistemer. */
function differsBetweenVersions(fields: readonly string[]): boolean {
  const isStepDifferent = fields.some((field, index) =>
    [...field.matchAll(/(?:\*|(\d+)(-\d+)?)\/(\d+)/g)].some(([, first, last, step]) => {
      // node-cron 3 keeps the values that the step divides. Before 4.6, a step after a single number has no effect.
      const start = first === undefined ? Number(index === 2 || index === 3) : Number(first)
      return (first !== undefined && last === undefined) || start % Number(step) !== 0
    }),
  )
  const [, , , , weekday = ''] = fields
  const numberOf = (day: string): number => {
    const index = weekdays.indexOf(day.slice(0, 3).toLowerCase())
    return index === -1 ? Number(day) : index
  }
  const isRangeDifferent = [...weekday.matchAll(/(\w+)-(\w+)/g)].some(
    ([, from = '', to = '']) => numberOf(to) === 7 || numberOf(from) > numberOf(to),
  )
  return isStepDifferent || isRangeDifferent || /[#L]/i.test(weekday)
}

/** Returns whether a day field of a cron expression is limited to certain days. `*`, `?` and `*` with step 1 are not. */
function restricts(field: string): boolean {
  return !field.split(',').some((part) => /^(\*|\?)(\/1)?$/.test(part))
}

function* nodeCronInstants(task: NodeCronTask, afterMs: number): Generator<number, void> {
  // Each call of `getNextRuns` begins at the present time, so a further call returns known instants again. The generator
  // skips instants up to `last`, the last instant that it knows.
  let last = afterMs
  for (let count = 64; ; count *= 4) {
    const runs = task.getNextRuns(count)
    for (const run of runs.filter((each) => +each > last)) yield +run
    last = Math.max(last, ...runs.slice(-1).map(Number))
    if (runs.length < count) return
  }
}

const earlierCroner =
  'Versions of croner before 11 read ? and a weekday with L differently. Check the instants with --compare.'
const quartzWeekday = /(?<![#/\d])\d/g

const readCroner: Reader = (pattern, options, zone, note) => {
  for (const option of ['utcOffset', 'dayOffset', 'interval', 'maxRuns', 'domAndDow', 'paused', 'legacyMode']) {
    const isDefault = option === 'legacyMode' ? options[option] !== false : !options[option]
    if (!isDefault) return `Its option ${option} has no counterpart: ${JSON.stringify(options[option])}.`
  }
  noteOptions(options, { catch: 'a failed run has the state failed.', context: 'give the task data.' }, note)
  const timezone = String(options.timezone ?? zone)
  const settings = settingsOf(options.protect !== undefined && options.protect !== false)
  if (/^\d{4}-\d\d-\d\dT/.test(pattern)) return { schedule: { type: 'once', at: pattern, timezone }, settings }
  const fields = pattern.trim().split(/\s+/)
  const weekday = fields.length > 5 ? 5 : 4
  const days = fields[weekday] ?? ''
  if (days.startsWith('+'))
    return `croner runs on days that match both day fields, because of the +: ${pattern}. Write it with one day field, for example FRI#2.`
  // With `alternativeWeekdays`, croner numbers the weekdays as Quartz does: 1 is Sunday.
  if (options.alternativeWeekdays === true)
    fields[weekday] = days.replace(quartzWeekday, (day) => String(Number(day) - 1))
  const monthday = weekday - 2
  if (/\?/.test(`${fields[monthday]}${days}`) || /[\da-z]L/i.test(days)) note(earlierCroner)
  // In croner, */1 lists every day, and a day that matches either field runs. In Jobistemer, */1 restricts nothing.
  if (fields[monthday] === '*/1' && restricts(days)) fields[monthday] = '1-31'
  if (days === '*/1' && restricts(fields[monthday] ?? '')) fields[weekday] = '0-6'
  const schedule: SerializedSchedule = {
    type: 'cron',
    expression: fields.join(' '),
    timezone,
    ...(options.startAt !== undefined && { start: instantText(options.startAt) }),
    ...(options.stopAt !== undefined && { end: instantText(options.stopAt) }),
  }
  if (options.stopAt !== undefined)
    note('croner has no run at stopAt itself. The end of a schedule of Jobistemer belongs to the schedule.')
  return { schedule, settings }
}

function instantText(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value)
}

function* cronerInstants(cron: InstanceType<CronerPackage['Cron']>, afterMs: number): Generator<number, void> {
  for (let at: Date | null = new Date(afterMs); ; ) {
    at = cron.nextRun(at)
    if (at === null) return
    yield +at
  }
}
