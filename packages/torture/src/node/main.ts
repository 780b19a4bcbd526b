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

// A node process: one scheduler on the storage of the run, which tells what it does and does what it is told.

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

// What a storage that is locked, cut off or on its way up may say.
const passing: readonly ErrorCode[] = ['STORAGE_BUSY', 'STORAGE_UNREACHABLE', 'STORAGE_FAILED']

const openAgainMs = 100

const callBudgetMs = 4000
const callPauseMs = 200

/** A storage that does not answer is tried again, as whoever restarts processes would. */
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
  // Its tasks fail on purpose, and its storage too.
  logger: silentLogger,
  jobs: defined.jobs,
  handlers: defined.handlers,
  heldJobs: 0,
  ...(nodeId !== null && { nodeId }),
  // Few, so that now and then work has to wait in the storage for another node.
  maxConcurrentJobs: 6,
  clock,
  // A life is shorter than the time for which clocks that contradict each other are looked at.
  maxClockSkew: { days: 1 },
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

/** Who calls asks for everything else as anybody does who is no node. */
const client = assignment.isCaller ? createClient({ storage, logger: silentLogger, clock }) : null
let isShutDown = false

async function shutdown(): Promise<void> {
  isShutDown = true
  await scheduler.shutdown({ gracePeriod: { seconds: 2 }, abortGracePeriod: { seconds: 6 } })
  await client?.close()
}

/** Again and again, as a platform does whose calls follow one another closely. */
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

/** Gives up what keeps the process alive: from here on it has to end by itself. */
function leave(): void {
  process.off('disconnect', abandoned)
  process.disconnect()
  void opened.close()
  void rows?.close()
}

// Without its driver a node has nobody to work for.
function abandoned(): void {
  process.exit()
}
process.on('disconnect', abandoned)

/** As often as it takes: the storage may be away, and who starts a node would do so again. */
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
    // Who is asked to end while it starts closes its storage under the start, and says so by this error.
    if (!isShutDown || !JobistemerError.isInstance(error, 'STORAGE_CLOSED')) throw error
  }
} else {
  // What it does not have code for are jobs that others have added: it looks them up.
  record({ event: 'calls', budgetMs: callBudgetMs })
  void callAndGoOn()
}
record({ event: 'up', node })
send({ kind: 'ready', node })
