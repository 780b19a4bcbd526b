import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDynamoDB, startRedis } from '@jobistemer/test-servers'
import { loadNote } from '../load-note.ts'
import { isWanted, median, type Suite } from '../suite.ts'
import { createDynamoDBTable } from './open-storage.ts'
import { TakeoverRound, type Way } from './takeover-round.ts'

/** Measures the time from the end of a node until another node runs its tasks. */
export const takeoverSuite: Suite = {
  name: 'takeover',
  title: 'Time from the end of a node with a running task until another node retries the task',
  async run({ smoke, nodes, storages, loads }) {
    const rows: string[][] = []
    const measure = async (name: string, address: string) => {
      const times = await new TakeoverRound(address, {
        count: smoke ? 1 : (nodes?.[0] ?? 20),
        deadAfter: smoke ? 600 : null,
        ways: loads,
      }).run()
      for (const [way, ms] of Object.entries(times)) {
        if (ms.length === 0) continue
        rows.push([
          `${name}, ${way}`,
          `${ms.length}`,
          seconds(median(ms)),
          seconds(Math.max(...ms)),
          goalOf(name, way as Way),
        ])
      }
    }
    if (isWanted(storages, 'SQLite')) await onSqlite((file) => measure('SQLite', file))
    if (isWanted(storages, 'Redis')) await onRedis((url) => measure('Redis', url))
    if (isWanted(storages, 'DynamoDB Local')) await onDynamoDB((endpoint) => measure('DynamoDB Local', endpoint))
    return {
      columns: ['ends by', 'nodes', 'median', 'longest', 'wanted'],
      rows,
      notes: [
        'Default options: heartbeats of 5 s, dead after 30 s; on DynamoDB 10 s and 60 s. One more node lives throughout.',
        '--nodes says how many end in each way, --loads in which ways (kill, shutdown, same).',
        'shutdown: without a grace period. same name: a node of this name starts after the kill -9; the time counts from there,',
        'including the start of its process. without its loading: from the time at which that process had loaded its code.',
        loadNote(),
      ],
    }
  },
}

function goalOf(name: string, way: Way): string {
  if (way !== 'kill -9') return 'below 2 s'
  return name === 'DynamoDB Local' ? 'below 75 s' : 'below 40 s'
}

async function onSqlite(measure: (file: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-takeover-'))
  try {
    await measure(join(folder, 'jobs.db'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function onRedis(measure: (url: string) => Promise<void>): Promise<void> {
  const server = await startRedis({ config: { appendonly: 'yes' } })
  try {
    await measure(server.url)
  } finally {
    await server.stop()
  }
}

async function onDynamoDB(measure: (endpoint: string) => Promise<void>): Promise<void> {
  const server = await startDynamoDB()
  try {
    await createDynamoDBTable(server.endpoint)
    await measure(server.endpoint)
  } finally {
    await server.stop()
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
