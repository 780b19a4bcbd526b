// A program of an installed project. `run` starts a node that runs jobs; `look` prints the contents of the storage.
import { createClient, createScheduler, defineJob } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'

const [command, storageName, place, nodeId] = process.argv.slice(2)

const storages = {
  async sqlite() {
    const { sqliteStorage } = await import('@jobistemer/storage-sqlite')
    return sqliteStorage({ file: place })
  },
  async redis() {
    const { redisStorage } = await import('@jobistemer/storage-redis')
    return redisStorage({ url: place })
  },
  async postgres() {
    const { postgresStorage } = await import('@jobistemer/storage-postgres')
    return postgresStorage({ url: place })
  },
  async dynamodb() {
    const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb')
    const { createTable, dynamodbStorage } = await import('@jobistemer/storage-dynamodb')
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
    const client = new DynamoDBClient({ endpoint: place, region: 'local', credentials })
    await createTable({ client, tableName: 'rehearsal' })
    return dynamodbStorage({ client, tableName: 'rehearsal' })
  },
}
const storage = await storages[storageName]()
const ticks = Array.from({ length: 16 }, (_, index) => `tick-${index}`)

if (command === 'run') await run()
else await look()

async function run() {
  const jobs = ticks.map((name) =>
    defineJob({
      name,
      schedule: cron('*/2 * * * * *'),
      overlapPolicy: 'queue',
      recoveryStrategy: 'execute_all',
      tasks: [{ name: 'work', run: () => void process.send('ran') }],
    }),
  )
  const long = defineJob({
    name: 'long',
    tasks: [
      {
        name: 'work',
        run: async ({ attempt }) => {
          process.send(`long, attempt ${attempt}`)
          if (attempt === 1) await new Promise(() => undefined)
        },
      },
    ],
  })
  const deadAfter = { seconds: 8 }
  const scheduler = createScheduler({ storage, nodeId, jobs: [...jobs, long], handleSignals: true, deadAfter })
  process.on('message', async () => {
    const nodes = await scheduler.nodes()
    process.send({ nodes: nodes.map(({ node, state, versions }) => `${node} ${versions.jobistemer} ${state}`) })
  })
  await scheduler.start()
  await scheduler.trigger('long', { key: 'the only one' })
  process.send('ready')
}

async function look() {
  const client = createClient({ storage })
  const problems = []
  const slots = { completed: 0, waiting: 0 }
  for (const job of ticks) {
    const runs = []
    for await (const one of client.occurrences({ job, order: 'ascending' })) runs.push(one)
    // At its shutdown, the last node handed back the runs that it had not begun. This program counts these runs as waiting.
    const ended = runs.findLastIndex(({ state }) => state !== 'pending' && state !== 'queued') + 1
    slots.completed += ended
    slots.waiting += runs.length - ended
    for (const [index, { state, scheduledAt }] of runs.entries()) {
      if (index < ended && state !== 'completed') problems.push(`${job}: ${scheduledAt.toISOString()} is ${state}`)
      const before = runs[index - 1]
      if (before !== undefined && scheduledAt - before.scheduledAt !== 2000) {
        problems.push(`${job}: ${before.scheduledAt.toISOString()} is followed by ${scheduledAt.toISOString()}`)
      }
    }
  }
  const [long] = (await client.occurrences({ job: 'long' })).items
  const attempts = long.tasks.flatMap((task) => task.attempts.map(({ state }) => state)).join(', ')
  if (attempts !== 'lost, succeeded') problems.push(`long: ${attempts}`)
  process.send({ slots, problems })
  await client.close()
  await storage.close()
  process.disconnect()
}
