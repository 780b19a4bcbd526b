import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startRedis } from '@jobistemer/test-servers'
import { median, type Suite } from './suite.ts'
import type { TakeoverOrder } from './takeover-process.ts'

const program = new URL('./takeover-process.js', import.meta.url)

interface Start {
  readonly job: string
  readonly attempt: number
  readonly at: number
}

/** How long it takes until another node goes on with what a node that ends was running. */
export const takeoverSuite: Suite = {
  name: 'takeover',
  title: 'From the end of a node in the middle of a task until another one runs that again',
  async run({ smoke }) {
    const rows: string[][] = []
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-takeover-'))
    const redis = await startRedis({ config: { appendonly: 'yes' } })
    try {
      for (const [name, url] of [
        ['SQLite', join(folder, 'jobs.db')],
        ['Redis', redis.url],
      ] as const) {
        const times = await endNodes(url, { count: smoke ? 1 : 20, heartbeat: smoke ? 100 : null })
        for (const [way, ms] of Object.entries(times)) {
          rows.push([`${name}, ${way}`, `${ms.length}`, seconds(median(ms)), seconds(Math.max(...ms))])
        }
      }
    } finally {
      await redis.stop()
      rmSync(folder, { recursive: true, force: true })
    }
    return {
      columns: ['ends by', 'nodes', 'median', 'longest'],
      rows,
      notes: [
        'Default options: heartbeats of 5 s, dead after 30 s. One more node lives throughout.',
        'shutdown: without a grace period. same name: a node of this name starts after the kill -9, and is counted from there.',
      ],
    }
  },
}

async function endNodes(
  url: string,
  { count, heartbeat }: { readonly count: number; readonly heartbeat: number | null },
): Promise<Readonly<Record<'kill -9' | 'shutdown' | 'same name', readonly number[]>>> {
  const names = Array.from({ length: 3 * count }, (_, index) => `job ${index}`)
  const starts: Start[] = []
  const processes: ChildProcess[] = []
  const start = async (nodeId: string, begins: string | null): Promise<ChildProcess> => {
    const order: TakeoverOrder = { url, nodeId, begins, jobs: names, heartbeat }
    const child = fork(program, [JSON.stringify(order)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    processes.push(child)
    child.on('message', (message) => {
      if (message !== 'ready') starts.push(message as Start)
    })
    await once(child, 'message')
    return child
  }
  const startedAgain = async (job: string): Promise<number> => {
    for (;;) {
      const again = starts.find((one) => one.job === job && one.attempt === 2)
      if (again !== undefined) return again.at
      await wait(20)
    }
  }
  const begin = async (index: number): Promise<ChildProcess> => {
    const child = await start(`node ${index}`, names[index] as string)
    while (!starts.some(({ job }) => job === names[index])) await wait(20)
    return child
  }
  const times = { 'kill -9': [] as number[], shutdown: [] as number[], 'same name': [] as number[] }
  try {
    await start('survivor', null)
    const killed: Promise<void>[] = []
    for (let index = 0; index < count; index++) {
      const child = await begin(index)
      // Not all at the same moment between two heartbeats.
      await wait(Math.random() * 500)
      child.kill('SIGKILL')
      const endedAt = Date.now()
      killed.push(startedAgain(names[index] as string).then((at) => void times['kill -9'].push(at - endedAt)))
    }
    await Promise.all(killed)
    for (let index = count; index < 2 * count; index++) {
      const child = await begin(index)
      const endedAt = Date.now()
      child.send('end')
      times.shutdown.push((await startedAgain(names[index] as string)) - endedAt)
    }
    for (let index = 2 * count; index < 3 * count; index++) {
      const child = await begin(index)
      child.kill('SIGKILL')
      await once(child, 'exit')
      const beginsAt = Date.now()
      const next = await start(`node ${index}`, null)
      times['same name'].push((await startedAgain(names[index] as string)) - beginsAt)
      next.kill('SIGKILL')
    }
    return times
  } finally {
    for (const child of processes) child.kill('SIGKILL')
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}
