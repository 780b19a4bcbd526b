import { createScheduler } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { jobs } from './jobs.ts'

// This program runs one node of the demo until the parent process ends.
const [file = '', nodeId = ''] = process.argv.slice(2)
const storage = sqliteStorage({ file, synchronous: 'normal' })
const scheduler = createScheduler({
  storage,
  nodeId,
  jobs: jobs(),
  maxConcurrentJobs: 6,
  deadAfter: { seconds: 20 },
  logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
})
process.on('disconnect', () => process.exit(0))
process.on('SIGINT', () => undefined)
await scheduler.start()
process.send?.('started')
