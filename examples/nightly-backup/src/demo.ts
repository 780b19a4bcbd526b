import { statSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { Occurrence } from '@jobistemer/core'
import { backupSchedule, cronExpression, jobName, misfireThresholdMs, taskNames } from './backup-job.ts'
import type { DemoFolder } from './demo-folder.ts'
import { backupLines, checkFiles, checkLines, lastBackup, ledgerLines } from './final-report.ts'
import { openLedger } from './ledger.ts'
import { describeChanges } from './ledger-changes.ts'
import { checkLedger } from './ledger-check.ts'
import { LedgerWatch } from './ledger-watch.ts'
import { lineOf, tableOf } from './live-table.ts'
import type { DemoOptions } from './options.ts'
import { repositoryFolder } from './repository.ts'
import type { Screen } from './screen.ts'
import { buildSourceDatabase } from './source-database.ts'
import { printBytes, printSlot } from './style.ts'
import { Supervisor } from './supervisor.ts'
import { readWitness } from './witness.ts'
import type { WorkerSettings } from './worker-messages.ts'

const slotCount = 8
/** The worker is killed while it runs its third occurrence. */
const killAt = 3
const keep = 3
/** From starting the worker to the first slot. */
const startMarginMs = 1500

export interface DemoRun {
  readonly options: DemoOptions
  readonly folder: DemoFolder
  readonly screen: Screen
  /** Ends the demo early. */
  readonly signal: AbortSignal
}

/**
 * Runs the job, kills its worker in the middle of a task, starts it again, and checks the outcome.
 * Answers whether every check holds. Whatever happens, no process is left.
 */
export async function runDemo({ options, folder, screen, signal }: DemoRun): Promise<boolean> {
  const { paint } = screen
  screen.say(paint('heading', 'Jobistemer: a backup job that outlives its process'), '')
  const database = options.database ?? folder.source
  screen.say(`database  ${await describeDatabase(options, database)}, ${printBytes(statSync(database).size)}`)

  const ledger = openLedger(options.ledger, folder.path)
  const supervisor = new Supervisor()
  let slots: readonly Date[] = []
  const watch = new LedgerWatch({
    ledger,
    jobName,
    onLook: (before, now) => {
      if (screen.live) screen.show(picture(screen, slots, now.occurrences, supervisor.processId))
      else for (const change of describeChanges(before, now)) screen.say(`  ${change}`)
    },
  })
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  stopped.catch(() => undefined)
  const expect = <T>(promise: Promise<T>): Promise<T> =>
    Promise.race([promise, supervisor.crashed, watch.failed, stopped])

  try {
    const { start, end } = firstSlots(options.seconds, slotCount)
    const settings: WorkerSettings = {
      folder: folder.path,
      ledger: options.ledger,
      database,
      seconds: options.seconds,
      startMs: start.getTime(),
      endMs: end.getTime(),
      keep,
      standStillAt: killAt,
    }
    const schedule = backupSchedule(options.seconds, { start, end })
    screen.say(
      `job       ${jobName}: ${taskNames.join(', ')}; keeps the newest ${keep}`,
      `schedule  cron '${cronExpression(options.seconds)}', ${slotCount} times from ${printSlot(start)} UTC`,
      `ledger    ${options.ledger}, in ${folder.path}`,
    )
    supervisor.start(settings)
    const { nextMs } = await expect(supervisor.message('started'))
    slots = nextMs === null ? [] : [...schedule.between(nextMs, end.getTime() + 1)]
    if (slots.length <= killAt) throw new Error('The worker took too long to start. Try a longer --seconds.')
    screen.say(`worker    process ${supervisor.processId} runs the job; this one only looks on and reads the ledger`)
    if (!screen.live) screen.say('')

    // A database that cannot be backed up ends every occurrence before there is anything to interrupt.
    const standingStill = supervisor.message('standing-still')
    const interrupted = await expect(Promise.race([standingStill, watch.until(allEnded(slots))]))
    let kills = 0
    if (interrupted !== undefined) {
      const { scheduledMs, doneBytes, totalBytes } = interrupted
      await watch.look()
      const slot = printSlot(new Date(scheduledMs))
      const done = `${printBytes(doneBytes)} of ${printBytes(totalBytes)}`
      screen.say(
        `→ ${slot} is in the middle of 'compress' (${done}).`,
        `  Killing its worker, process ${supervisor.processId}, with SIGKILL.`,
      )
      await supervisor.kill()
      kills++
      const missed = slots.find((candidate) => candidate.getTime() > Math.max(scheduledMs, Date.now())) ?? end
      screen.say(`→ The worker is dead. At ${printSlot(missed)} the job is due, and nobody is there to run it.`)
      await expect(wait(missed.getTime() + misfireThresholdMs + 200 - Date.now()))
      supervisor.start({ ...settings, standStillAt: null })
      screen.say(
        `→ Started again as process ${supervisor.processId}: goes on with 'compress', makes up ${printSlot(missed)}.`,
      )
      await expect(watch.until(allEnded(slots)))
    }
    await supervisor.stop()
    watch.stop()
    const occurrences = await watch.look()
    screen.clear()
    screen.say(`→ All ${slots.length} slots are settled, and the worker has ended.`, '')
    return report({ folder, screen, slots, occurrences, kills })
  } finally {
    watch.stop()
    await supervisor.stop()
    screen.clear()
    await ledger.close()
  }
}

async function describeDatabase(options: DemoOptions, file: string): Promise<string> {
  if (options.database !== null) return file
  const { files, commits } = await buildSourceDatabase(file, repositoryFolder)
  return `built from this repository: ${files} files${commits === null ? '' : `, ${commits} commits`}`
}

/** The window of the schedule: so many slots, from the first that the worker can be there for. */
function firstSlots(seconds: number, count: number): { readonly start: Date; readonly end: Date } {
  const schedule = backupSchedule(seconds, {})
  const slots: Date[] = []
  for (let at = Date.now() + startMarginMs; slots.length < count; at = (slots.at(-1) as Date).getTime()) {
    slots.push(schedule.next(at) as Date)
  }
  return { start: slots[0] as Date, end: slots.at(-1) as Date }
}

function allEnded(slots: readonly Date[]): (occurrences: readonly Occurrence[]) => boolean {
  return (occurrences) => {
    const ended = new Set(occurrences.filter(({ finishedAt }) => finishedAt !== null).map((one) => +one.scheduledAt))
    return slots.every((slot) => ended.has(+slot))
  }
}

function picture(screen: Screen, slots: readonly Date[], occurrences: readonly Occurrence[], worker: number | null) {
  const { paint } = screen
  // In its last column a terminal may already break the line.
  const columns = screen.columns - 1
  const status = worker === null ? 'no worker is alive' : `worker ${worker} is alive`
  return [
    { text: '', width: 0 },
    ...tableOf({ taskNames, slots, occurrences, now: new Date(), columns, paint }).lines,
    { text: '', width: 0 },
    lineOf([{ tone: worker === null ? 'bad' : 'quiet', text: `  ${status}` }], columns, paint),
  ]
}

function report(run: {
  readonly folder: DemoFolder
  readonly screen: Screen
  readonly slots: readonly Date[]
  readonly occurrences: readonly Occurrence[]
  readonly kills: number
}): boolean {
  const { folder, screen, slots, occurrences, kills } = run
  const { paint, columns } = screen
  const witness = readWitness(folder.witness)
  const backup = lastBackup(occurrences)
  const results = [
    ...checkLedger({ slots, occurrences, witness, taskNames, kills }),
    ...checkFiles(folder, backup, keep),
  ]
  if (kills === 0) results.push({ claim: 'a worker was killed', problems: ['nothing could be interrupted'] })
  screen.say(
    `${paint('heading', 'The ledger')} (times in UTC)`,
    ...ledgerLines({ taskNames, slots, occurrences, columns, paint }),
    '',
    `${paint('heading', 'The checks')} (against the schedule, and what the tasks wrote to witness.jsonl)`,
    ...checkLines(results, paint),
    '',
  )
  if (backup !== null) {
    screen.say(paint('heading', 'The last verified backup'), ...backupLines(backup), '')
  }
  return results.every(({ problems }) => problems.length === 0)
}
