import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import {
  createScheduler,
  defineJob,
  defineTask,
  type ExecutionReport,
  type Job,
  type Scheduler,
  type TaskContext,
  type TaskReport,
} from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'
import Database from 'better-sqlite3'
import { expect, it, onTestFinished } from 'vitest'
import { backupJob, jobName } from '../src/backup-job.ts'
import { type BackupTaskOptions, backupTasks, type VerifiedBackup, workFolder } from '../src/backup-tasks.ts'
import type { DemoFolder } from '../src/demo-folder.ts'
import type { TableContents } from '../src/table-contents.ts'
import { readWitness } from '../src/witness.ts'
import { backupWorld } from './world.ts'

const never = cron('0 0 1 1 *')

function optionsFor(world: DemoFolder, change: Partial<BackupTaskOptions> = {}): BackupTaskOptions {
  return { database: world.source, backups: world.backups, work: world.work, keep: 3, ...change }
}

function demoJob(world: DemoFolder, change: Partial<BackupTaskOptions> = {}): Job {
  const witness = { file: world.witness, node: 'A' }
  return backupJob({ ...optionsFor(world, change), schedule: never, witness, executionTimeoutMs: 60_000 })
}

async function runningScheduler(job: Job): Promise<Scheduler> {
  const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job] })
  onTestFinished(() => scheduler.shutdown())
  await scheduler.start()
  return scheduler
}

/** Runs the job once. Returns the report of its run. */
async function run(scheduler: Scheduler, name: string = jobName): Promise<ExecutionReport> {
  const finished = new Promise<ExecutionReport>((resolve) => {
    const remove = scheduler.on('occurrence.finished', ({ report }) => {
      remove()
      resolve(report)
    })
  })
  await scheduler.trigger(name)
  return finished
}

function backupOf({ tasks }: ExecutionReport): VerifiedBackup {
  const rotate = tasks.find(({ name }) => name === 'rotate') as TaskReport
  return rotate.result as unknown as VerifiedBackup
}

/** Runs the job once, and waits until its hook `onComplete` has ended. */
async function runToTheEnd(job: Job): Promise<string> {
  let report: (done: Promise<void>) => void
  const completed = new Promise<void>((resolve) => {
    report = resolve
  })
  const onComplete = async (finished: ExecutionReport) => report(Promise.resolve(job.onComplete?.(finished)))
  const { outcome } = await run(await runningScheduler({ ...job, onComplete }))
  await completed
  return outcome
}

/** Defines the job with an additional task, which damages a file after the given task. */
function sabotagedJob(
  world: DemoFolder,
  after: 'backup' | 'compress',
  sabotage: (context: TaskContext, file: string) => void,
): Job {
  const { backup, compress, verify, rotate } = backupTasks(optionsFor(world))
  const victim = { backup, compress }[after]
  const sabotaging = defineTask({ name: 'sabotage', run: (context) => sabotage(context, context.result(victim).file) })
  const tasks =
    after === 'backup' ? [backup, sabotaging, compress, verify, rotate] : [backup, compress, sabotaging, verify, rotate]
  return defineJob({ name: jobName, schedule: never, tasks })
}

async function verdictOnSabotage(
  after: 'backup' | 'compress',
  sabotage: (context: TaskContext, file: string) => void,
): Promise<string | undefined> {
  const world = backupWorld()
  const report = await run(await runningScheduler(sabotagedJob(world, after, sabotage)))
  expect(report.outcome).toBe('failed')
  expect(readdirSync(world.backups)).toEqual([])
  return report.tasks.find(({ name }) => name === 'verify')?.error?.message
}

function overwrite(file: string, position: number, bytes: Buffer): void {
  const descriptor = openSync(file, 'r+')
  writeSync(descriptor, bytes, 0, bytes.length, position)
  closeSync(descriptor)
}

/**
 * Runs a statement with SQLite's safety checks off. The statement may delete the row of the index `notes_by_text` from
 * `sqlite_schema`. So this function reads that row before the statement, and returns it for a later `INSERT`.
 */
function changeRows(file: string, statement: string, parameters: readonly unknown[] = []): readonly unknown[] {
  const database = new Database(file)
  try {
    database.unsafeMode()
    database.pragma('writable_schema = on')
    const index = database.prepare("SELECT * FROM sqlite_schema WHERE name = 'notes_by_text'").raw().get()
    database.prepare(statement).run(...parameters)
    return (index ?? []) as readonly unknown[]
  } finally {
    database.close()
  }
}

it('the backup job makes a backup that contains all rows of the source, and leaves no other file in the backup folder', async () => {
  const world = backupWorld()
  const report = await run(await runningScheduler(demoJob(world)))
  expect(report.outcome).toBe('completed')
  const { file, bytes, contents } = backupOf(report)
  expect(readdirSync(world.backups)).toEqual([basename(file)])
  expect(statSync(file).size).toBe(bytes)
  expect(contents.tables).toContainEqual({ name: 'notes', rows: 500 })
  const restored = join(world.path, 'restored.db')
  writeFileSync(restored, gunzipSync(readFileSync(file)))
  const database = new Database(restored, { readonly: true })
  expect(database.prepare('SELECT count(*) FROM tags').pluck().get()).toBe(500)
  database.close()
})

it('the backup job removes its scratch files when it completes', async () => {
  const world = backupWorld()
  expect(await runToTheEnd(demoJob(world))).toBe('completed')
  expect(readdirSync(world.work)).toEqual([])
})

it('the backup job removes its scratch files when it fails', async () => {
  const world = backupWorld()
  rmSync(world.source)
  expect(await runToTheEnd(demoJob(world))).toBe('failed')
  expect(readdirSync(world.work)).toEqual([])
})

it('the backup job copies a consistent state of a database to which another connection writes', async () => {
  const world = backupWorld()
  const writer = new Database(world.source)
  onTestFinished(() => void writer.close())
  writer.pragma('journal_mode = wal')
  const insert = writer.prepare("INSERT INTO tags VALUES (?, 'written meanwhile')")
  const writing = setInterval(() => insert.run(Math.random()), 1)
  onTestFinished(() => clearInterval(writing))
  const scheduler = await runningScheduler(demoJob(world))
  for (let round = 0; round < 5; round++) expect((await run(scheduler)).outcome).toBe('completed')
})

it('the backup job keeps the newest backups up to the number in its option `keep`, and removes all older backups', async () => {
  const world = backupWorld()
  const scheduler = await runningScheduler(demoJob(world, { keep: 2 }))
  const made: string[] = []
  for (let round = 0; round < 4; round++) {
    const report = await run(scheduler)
    made.push(basename(backupOf(report).file))
  }
  expect(readdirSync(world.backups).sort()).toEqual(made.slice(-2))
})

it('if the backup files are sorted by name, they are in the order of the slots of these backups', () => {
  const slots = [20_000, 20_003, 20_200, 20_250, 21_000].map((milliseconds) => new Date(milliseconds))
  const names = slots.map((slot) => workFolder('', slot))
  expect(names.toSorted()).toEqual(names)
})

it('the backup job removes no file that is not a backup', async () => {
  const world = backupWorld()
  writeFileSync(join(world.backups, 'a-note.txt'), 'mine')
  const scheduler = await runningScheduler(demoJob(world, { keep: 1 }))
  await run(scheduler)
  await run(scheduler)
  expect(readdirSync(world.backups)).toContain('a-note.txt')
  expect(readdirSync(world.backups)).toHaveLength(2)
})

it('if the compression of a backup fails, the backup job tries the compression again', async () => {
  const world = backupWorld()
  let failures = 0
  const onProgress = async () => {
    if (failures++ === 0) throw new Error('no space left')
  }
  const report = await run(await runningScheduler(demoJob(world, { onProgress })))
  expect(report.outcome).toBe('completed')
  const attempts = report.tasks.find(({ name }) => name === 'compress')?.attempts
  expect(attempts?.map(({ state }) => state)).toEqual(['failed', 'succeeded'])
})

it('each task of the backup job records its begin and its end in the witness file, the demo’s record of attempts', async () => {
  const world = backupWorld()
  await run(await runningScheduler(demoJob(world)))
  const lines = readWitness(world.witness).map(({ task, event, attempt }) => `${task} ${attempt} ${event}`)
  const expected = ['backup', 'compress', 'verify', 'rotate'].flatMap((task) => [
    `${task} 1 start`,
    `${task} 1 succeeded`,
  ])
  expect(lines).toEqual(expected)
})

it('the check task of the backup job detects a damaged compressed file', async () => {
  const message = await verdictOnSabotage('compress', (_, file) =>
    overwrite(file, Math.floor(statSync(file).size / 2), Buffer.alloc(64, 0xff)),
  )
  expect(message).toMatch(/invalid|incorrect|too far back/)
})

it('the check task of the backup job detects a truncated compressed file', async () => {
  const message = await verdictOnSabotage('compress', (_, file) =>
    writeFileSync(file, readFileSync(file).subarray(0, -20)),
  )
  expect(message).toMatch(/unexpected end of file/)
})

it('the check task of the backup job detects a damaged page of the copy', async () => {
  const message = await verdictOnSabotage('backup', (_, file) => overwrite(file, 3 * 4096, Buffer.alloc(4096, 0x55)))
  expect(message).toMatch(/integrity check|malformed/)
})

it('the check task of the backup job detects an index that does not match the rows of its table', async () => {
  const message = await verdictOnSabotage('backup', (_, file) => {
    changeRows(file, "UPDATE notes SET text = 'another' WHERE id = 1")
    // Hides the index from SQLite while the row changes, so that the index keeps the earlier text.
    const index = changeRows(file, "DELETE FROM sqlite_schema WHERE name = 'notes_by_text'")
    changeRows(file, "UPDATE notes SET text = 'note 1 – ü' WHERE id = 1")
    changeRows(file, 'INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)', index)
  })
  expect(message).toMatch(/integrity check .* notes_by_text/)
})

it('the check task of the backup job detects a lost row', async () => {
  const message = await verdictOnSabotage('backup', (_, file) => {
    changeRows(file, 'DELETE FROM tags WHERE note = 7')
  })
  expect(message).toBe('The restored backup differs from the source: table tags has 499 rows instead of 500.')
})

it('the check task of the backup job detects a single changed value', async () => {
  const message = await verdictOnSabotage('backup', (_, file) => {
    changeRows(file, "UPDATE notes SET text = 'note 8 – u' WHERE id = 8")
  })
  expect(message).toContain('checksums over all rows do not')
})

it('the result of the backup job states the number of rows in the restored backup', async () => {
  const world = backupWorld(42)
  const report = await run(await runningScheduler(demoJob(world)))
  const contents = report.tasks.find(({ name }) => name === 'verify')?.result as unknown as TableContents
  expect(contents.tables).toContainEqual({ name: 'notes', rows: 42 })
  expect(contents.checksum).toMatch(/^[0-9a-f]{64}$/)
})
