import { statSync } from 'node:fs'
import { backupSchedule, cronExpression, executionTimeoutMs, jobName, taskNames } from './backup-job.ts'
import { runCourse } from './course.ts'
import type { DemoFolder } from './demo-folder.ts'
import { reportLines } from './final-report.ts'
import { loadLedger } from './ledgers/ledger-kinds.ts'
import { nodeNames } from './nodes.ts'
import type { DemoOptions } from './options.ts'
import { repositoryFolder } from './repository.ts'
import type { Screen } from './screen.ts'
import { buildSourceDatabase } from './source-database.ts'
import { printBytes, printSlot } from './style.ts'
import { toldByCli } from './told-by-cli.ts'
import { readWitness } from './witness.ts'

const slotCount = 8
const keep = 3
/** Time from starting the nodes to the first slot, in ms. */
const startMarginMs = 1500

export interface DemoRun {
  readonly options: DemoOptions
  readonly folder: DemoFolder
  readonly screen: Screen
  /** Signal that ends the demo early. */
  readonly signal: AbortSignal
}

/**
 * Runs the job, kills a node in the middle of a task, and checks the result. Returns whether every check passed. All
 * processes of the demo have ended when the returned promise settles.
 */
export async function runDemo({ options, folder, screen, signal }: DemoRun): Promise<boolean> {
  const { database: given, ledger: kind, seconds } = options
  const { paint, columns } = screen
  screen.say(paint('heading', 'Jobistemer: a backup job that outlives its process'), '')
  const database = given ?? folder.source
  const origin = given ?? (await buildDatabase(database))
  const { size } = statSync(database)
  screen.say(
    `database  ${origin}, ${printBytes(size)}`,
    `job       ${jobName}: ${taskNames.join(', ')}; keeps the newest ${keep}`,
  )
  const ledger = await loadLedger(kind)
  const { location, description, stop } = await ledger.prepare({ folder: folder.path, server: options.server })
  try {
    // The user may have stopped the demo during the build of the database.
    signal.throwIfAborted()
    const { start, end } = firstSlots(seconds, slotCount)
    screen.say(
      `ledger    ${kind}, ${description}`,
      `schedule  cron '${cronExpression(seconds)}', ${slotCount} times from ${printSlot(start)} UTC`,
    )
    const course = await runCourse({
      nodes: nodeNames.slice(0, options.nodes),
      settings: {
        folder: folder.path,
        ledger: { kind, location },
        database,
        seconds,
        startMs: start.getTime(),
        endMs: end.getTime(),
        keep,
        executionTimeoutMs: executionTimeoutMs(size),
      },
      witness: folder.witness,
      screen,
      signal,
    })
    const { lines, good } = reportLines({
      ...course,
      taskNames,
      witness: readWitness(folder.witness),
      folder,
      keep,
      columns,
      paint,
    })
    screen.say(...lines)
    if (kind === 'sqlite') {
      screen.say(
        `${paint('heading', 'The command line')} (in ${folder.path})`,
        ...(await toldByCli(folder.path, course.occurrences)),
      )
    }
    return good
  } finally {
    await stop()
  }
}

async function buildDatabase(file: string): Promise<string> {
  const { files, commits } = await buildSourceDatabase(file, repositoryFolder)
  return `built from this repository: ${files} files${commits === null ? '' : `, ${commits} commits`}`
}

/** Returns the window of the schedule: `count` slots, beginning with the first slot for which the nodes can be ready. */
function firstSlots(seconds: number, count: number): { readonly start: Date; readonly end: Date } {
  const schedule = backupSchedule(seconds, {})
  const slots: Date[] = []
  for (let at = Date.now() + startMarginMs; slots.length < count; at = (slots.at(-1) as Date).getTime()) {
    slots.push(schedule.next(at) as Date)
  }
  return { start: slots[0] as Date, end: slots.at(-1) as Date }
}
