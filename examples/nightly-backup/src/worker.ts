import { once } from 'node:events'
import { createScheduler } from '@jobistemer/core'
import { backupJob, backupSchedule } from './backup-job.ts'
import { crashDrill } from './crash-drill.ts'
import { demoFolder } from './demo-folder.ts'
import { openLedger } from './ledger.ts'
import type { WorkerMessage, WorkerSettings } from './worker-messages.ts'

// The process that runs the job. Everything a program needs to run jobs is here; the rest of the demo looks on.

const settings = JSON.parse(process.argv[2] ?? '{}') as WorkerSettings
const folder = demoFolder(settings.folder)
const tell = (message: WorkerMessage) => process.send?.(message)

const drill =
  settings.standStillAt === null
    ? undefined
    : crashDrill({
        compression: settings.standStillAt,
        onStandingStill: ({ context, doneBytes, totalBytes }) =>
          tell({ kind: 'standing-still', scheduledMs: context.scheduledAt.getTime(), doneBytes, totalBytes }),
      })

const job = backupJob({
  database: settings.database,
  backups: folder.backups,
  work: folder.work,
  witness: folder.witness,
  keep: settings.keep,
  schedule: backupSchedule(settings.seconds, { start: new Date(settings.startMs), end: new Date(settings.endMs) }),
  onProgress: drill,
})
const ledger = openLedger(settings.ledger, settings.folder)

// With the same name after a restart, the node takes up at once what its earlier life left running. Nodes that live at
// the same time need names of their own.
const scheduler = createScheduler({ storage: ledger, jobs: [job], nodeId: 'backup-worker' })

scheduler.on('job.registered', ({ nextAt }) => tell({ kind: 'started', nextMs: nextAt?.getTime() ?? null }))
// Ctrl-C reaches every process of the terminal; when this one is to end is for its supervisor to say.
process.on('SIGINT', () => undefined)

await scheduler.start()

// The supervisor hangs up to say that it is time to end; if it dies, the line is cut too.
if (process.connected) await once(process, 'disconnect')
await scheduler.shutdown({ gracePeriod: { seconds: 5 } })
await ledger.close()
