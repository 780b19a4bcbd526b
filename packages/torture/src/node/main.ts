import { createClient, createScheduler, type ErrorCode, JobistemerError, jobId, silentLogger } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import type { HistoryLine } from '../record/history.ts'
import { hostTime } from '../record/host-time.ts'
import { LineWriter } from '../record/line-file.ts'
import { sleep } from '../support/sleep.ts'
import { sabotaged } from '../sabotage/sabotage.ts'
import { storageKind } from '../storages/storage-kinds.ts'
import { defineWorkload } from '../workload/define-workload.ts'
import { jobNames, workload } from '../workload/workload.ts'
import { withCrashPoint } from './crash-points.ts'
import type { Assignment, FromNode, ToNode } from './messages.ts'
import { NodeClock } from './node-clock.ts'
import { type Recorded, recordingStorage } from './recording-storage.ts'
import { runCommand } from './run-command.ts'
import { StallWatch } from './stall-watch.ts'
import { WitnessFile } from './witness-file.ts'

// A node process of a torture run: one scheduler on the run's storage. The process records its actions and executes the
// driver's commands.

const assignment = JSON.parse(process.argv[2] ?? '{}') as Assignment
const { life, nodeId, seed } = assignment
const kind = storageKind(assignment.storage)

const history = new LineWriter(assignment.historyFile)
const record = (event: Recorded) => history.write({ ...hostTime(), life, ...event } as HistoryLine)

const stalls = new StallWatch((stall) => record({ event: 'stalled', stall }))
let node = nodeId ?? ''
const witness = new WitnessFile(new LineWriter(assignment.witnessFile), { life, stalls, node: () => node })

let mayCrash = true

function crash(point: string): void {
  if (!mayCrash) return
  record({ event: 'crashing', point })
  process.kill(process.pid, 'SIGKILL')
}

// Error codes of a storage that is temporarily locked, unreachable or starting.
const passing: readonly ErrorCode[] = ['STORAGE_BUSY', 'STORAGE_UNREACHABLE', 'STORAGE_FAILED']

const openAgainMs = 100

const callBudgetMs = 4000
const callPauseMs = 200

/** Opens the storage. Retries until the storage answers, as a supervisor that restarts the process would. */
async function open(): Promise<Storage> {
  for (;;) {
    try {
      return await kind.open(assignment.location)
    } catch (error) {
      if (!JobistemerError.isInstance(error) || !passing.includes(error.code)) throw error
      record({ event: 'storage-failed', operation: 'open', code: error.code })
      await sleep(openAgainMs)
    }
  }
}

const clock = new NodeClock(0)

function setClock(offsetMs: number): void {
  clock.offsetMs = offsetMs
  record({ event: 'clock', offsetMs })
}
setClock(assignment.clockOffsetMs)

const opened = await open()
const broken = assignment.sabotage === null ? opened : sabotaged(opened, assignment.sabotage)
const fragile = assignment.crashPoint === null ? broken : withCrashPoint(broken, assignment.crashPoint, crash)
const jobs = workload(kind.slowdown)
const namesById = new Map<string, string>(jobNames.map((name) => [jobId(name), name]))
const storage = recordingStorage(fragile, { record, nodeId, jobNames: namesById })

const rows = (await kind.openRows?.(assignment.location)) ?? null
const defined = defineWorkload(jobs, { seed, witness, rows })
const scheduler = createScheduler({
  storage,
  // Tasks and storage calls fail on purpose, so a log would contain only expected errors.
  logger: silentLogger,
  jobs: defined.jobs,
  handlers: defined.handlers,
  // Makes the node hold no data job in memory. This is an internal setting without a public option.
  [Symbol.for('jobistemer.heldJobs')]: 0,
  ...(nodeId !== null && { nodeId }),
  // The capacity is low, so that some work must wait in the storage for another node.
  maxConcurrentJobs: 6,
  clock,
  // The node accepts any skew between its clock and the storage's clock. With the default limit, a node with a wrong
  // clock starts no runs until it has confirmed the storage's time. That takes longer than a process lives.
  [Symbol.for('jobistemer.maxClockSkew')]: 86_400_000,
  ...kind.intervals,
})
node = scheduler.nodeId

scheduler.on('storage.failed', ({ operation, error }) => {
  const code = JobistemerError.isInstance(error) ? error.code : String(error)
  record({ event: 'storage-failed', operation, code })
})
scheduler.on('engine.failed', ({ where, error }) => {
  record({
    event: 'engine-failed',
    where,
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  })
})

/** A process that calls `runDue` needs a client for all other operations. */
const client = assignment.isCaller ? createClient({ storage, logger: silentLogger, clock }) : null
let isShutDown = false

async function shutdown(): Promise<void> {
  isShutDown = true
  await scheduler.shutdown({ gracePeriod: { seconds: 2 }, abortGracePeriod: { seconds: 6 } })
  await client?.close()
}

/** Calls `runDue` again and again, each time directly after the previous call. */
async function callAndGoOn(): Promise<void> {
  while (!isShutDown) {
    try {
      await scheduler.runDue({ budget: callBudgetMs })
    } catch (error) {
      const code = JobistemerError.isInstance(error) ? error.code : null
      if (code === 'STORAGE_TIMEOUT') record({ event: 'storage-failed', operation: 'runDue', code })
      else if (code !== 'SCHEDULER_STATE' && code !== 'ABORTED') throw error
    }
    if (!isShutDown) await sleep(callPauseMs)
  }
}

function send(message: FromNode): void {
  if (process.connected) process.send?.(message)
}

function stay(): void {
  mayCrash = false
}

process.on('message', ({ number, command }: ToNode) => {
  runCommand(command, { scheduler: client ?? scheduler, shutdown, storage, jobs, setClock, stay, record }).then(
    (occurrence) => {
      if (command.do === 'shutdown') record({ event: 'down' })
      send({ kind: 'done', number, occurrence })
      if (command.do === 'shutdown') leave()
    },
    (error: unknown) => send({ kind: 'failed', number, error: error instanceof Error ? error.message : String(error) }),
  )
})

/** Closes everything in this module that keeps the process alive, so that the process ends. */
function leave(): void {
  process.off('disconnect', abandoned)
  process.disconnect()
  void opened.close()
  void rows?.close()
}

// Ends this process when its message channel closes. The channel closes when the parent process has ended.
function abandoned(): void {
  process.exit()
}
process.on('disconnect', abandoned)

/** Adds the data jobs. Retries until the storage answers, as a supervisor that restarts the node would. */
async function addDataJobs(): Promise<void> {
  for (;;) {
    try {
      return await scheduler.add(defined.dataJobs)
    } catch (error) {
      if (!JobistemerError.isInstance(error, 'STORAGE_TIMEOUT')) throw error
    }
  }
}

if (client === null) {
  try {
    await scheduler.start()
    await addDataJobs()
  } catch (error) {
    // A shutdown during the start closes the storage, and then the start fails with `STORAGE_CLOSED`.
    if (!isShutDown || !JobistemerError.isInstance(error, 'STORAGE_CLOSED')) throw error
  }
} else {
  // A process that calls `runDue` adds no data jobs. Other processes add these jobs, and a `runDue` call loads them
  // from the storage.
  record({ event: 'calls', budgetMs: callBudgetMs })
  void callAndGoOn()
}
record({ event: 'up', node })
send({ kind: 'ready', node })
