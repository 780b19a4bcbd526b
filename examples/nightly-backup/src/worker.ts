import { once } from 'node:events'
import { createScheduler, silentLogger } from '@jobistemer/core'
import { backupJob, backupSchedule } from './backup-job.ts'
import { crashDrill } from './crash-drill.ts'
import { demoFolder } from './demo-folder.ts'
import { loadLedger } from './ledgers/ledger-kinds.ts'
import type { Instruction, WorkerMessage, WorkerSettings } from './worker-messages.ts'

// This program runs the backup job on one node. The demo starts, observes and kills the process of this program.

const settings = JSON.parse(process.argv[2] ?? '{}') as WorkerSettings
const { node } = settings
const folder = demoFolder(settings.folder)
const tell = (message: WorkerMessage) => process.send?.(message)

let standStillAtMs: number | null = null
process.on('message', (instruction: Instruction) => {
  standStillAtMs = instruction.standStillAtMs
})

const job = backupJob({
  database: settings.database,
  backups: folder.backups,
  work: folder.work,
  witness: { file: folder.witness, node },
  keep: settings.keep,
  schedule: backupSchedule(settings.seconds, { start: new Date(settings.startMs), end: new Date(settings.endMs) }),
  executionTimeoutMs: settings.executionTimeoutMs,
  onProgress: crashDrill({
    slotMs: () => standStillAtMs,
    onStandingStill: ({ context, doneBytes, totalBytes }) =>
      tell({ kind: 'standing-still', node, scheduledMs: context.scheduledAt.getTime(), doneBytes, totalBytes }),
  }),
})
const storage = (await loadLedger(settings.ledger.kind)).open(settings.ledger.location)

const scheduler = createScheduler({
  storage,
  // The demo's table shows all failures, so the log would repeat them.
  logger: silentLogger,
  jobs: [job],
  // Concurrent nodes need different names. A restarted node with the same name takes over its earlier runs at once.
  nodeId: node,
  // If a node sends no heartbeat for this time, other nodes take over its runs.
  deadAfter: { seconds: 18 },
})

scheduler.on('job.registered', ({ nextAt }) => tell({ kind: 'started', nextMs: nextAt?.getTime() ?? null }))
// Ctrl-C reaches every process of the terminal. The worker ignores the signal, because the supervisor decides when the
// worker ends.
process.on('SIGINT', () => undefined)

await scheduler.start()

// The channel disconnects when the supervisor ends this process, or when the supervisor dies.
if (process.connected) await once(process, 'disconnect')
// The demo has ended, so the node hands unfinished runs back at once.
await scheduler.shutdown({ gracePeriod: 0 })
await storage.close()
