import { type Client, createClient, silentLogger } from '@jobistemer/core'
import { createDashboard, type Dashboard } from '@jobistemer/dashboard'
import { candidates } from '../candidates.ts'
import { ListsRound } from '../lists-round.ts'
import { loadNote } from '../load-note.ts'
import { median, type Suite } from '../suite.ts'

/** The requests that a browser sends together for one view of the dashboard. */
interface View {
  readonly name: string
  /** True if the requests go to a new dashboard server, which has read nothing from the storage yet. */
  readonly isFirst?: boolean
  readonly paths: readonly string[]
}

const firstPaths = ['/', '/api/session', '/api/overview', '/api/survey'] as const

const views: readonly View[] = [
  { name: 'first view, first of all', isFirst: true, paths: firstPaths },
  { name: 'first view', paths: firstPaths },
  { name: 'overview', paths: ['/api/overview'] },
  { name: 'a look at all jobs', isFirst: true, paths: ['/api/survey'] },
  { name: 'jobs', paths: ['/api/jobs', '/api/sparklines'] },
  { name: 'jobs by name, 1 of all', paths: ['/api/jobs?text=job-77'] },
  { name: 'jobs by name, none', paths: ['/api/jobs?text=nothing'] },
  { name: 'jobs by outcome', paths: ['/api/jobs?outcome=failed'] },
  { name: 'jobs by outcome, none', paths: ['/api/jobs?outcome=canceled'] },
  { name: 'jobs by tag, none', paths: ['/api/jobs?tag=nothing'] },
  { name: 'one job', paths: ['/api/job?job=job-7', '/api/grid?job=job-7&limit=50', '/api/history?job=job-7&limit=25'] },
  { name: 'failures', paths: ['/api/failures'] },
  { name: 'late jobs', paths: ['/api/late'] },
  { name: 'backfills', paths: ['/api/backfills'] },
  { name: 'queue', paths: ['/api/counts', '/api/live'] },
]

const measured: readonly string[] = ['SQLite', 'Redis']

/** Measures the server's CPU time and the transferred bytes for each view of the dashboard. */
export const dashboardSuite: Suite = {
  name: 'dashboard',
  title: 'The dashboard: milliseconds of the server for the requests of a view, and bytes over the wire',
  async run({ smoke, jobs: asked, occurrences }) {
    const jobs = asked ?? (smoke ? 100 : 10_000)
    const usual = smoke ? 2 : 100
    const runs = occurrences === undefined ? usual : Math.max(1, Math.round(occurrences / jobs))
    const calls = smoke ? 1 : 15
    const rows: string[][] = []
    for (const { name, start } of candidates.filter((candidate) => measured.includes(candidate.name))) {
      const { open, stop } = await start()
      const storage = open('dashboard')
      const client = createClient({ storage, logger: silentLogger })
      const round = new ListsRound(storage, jobs)
      try {
        await round.addJobs()
        await round.fill(runs)
        for (const view of views)
          rows.push([`${name}, ${view.name}`, ...(await measure(client, view, { calls, warmsUp: !smoke }))])
        if (name === measured[0]) rows.push(...(await bundleRows(client)))
      } finally {
        await client.close()
        await round.close()
        await stop()
      }
    }
    return {
      columns: ['', 'ms, median', 'ms, longest', 'processor ms', 'bytes'],
      rows,
      notes: [
        `${jobs.toLocaleString('en-US')} jobs with ${(jobs * runs).toLocaleString('en-US')} occurrences, of which one in a hundred has failed.`,
        `${calls} times each. Processor time: average of this process, all threads. Bytes: of bodies, compressed if the dashboard compresses them. A browser caches the files.`,
        loadNote(),
      ],
    }
  },
}

function dashboardOf(client: Client): Dashboard {
  return createDashboard({ client, authorize: () => true })
}

async function measure(
  client: Client,
  { isFirst = false, paths }: View,
  { calls, warmsUp }: { readonly calls: number; readonly warmsUp: boolean },
): Promise<readonly string[]> {
  const kept = dashboardOf(client)
  const times: number[] = []
  let [bytes, processorMs] = [0, 0]
  // The call with index -1 is a warm-up and not measured.
  for (let index = warmsUp ? -1 : 0; index < calls; index++) {
    const dashboard = isFirst ? dashboardOf(client) : kept
    const before = process.cpuUsage()
    const startedAt = performance.now()
    const sizes = await Promise.all(paths.map((path) => sizeOf(dashboard, path)))
    const tookMs = performance.now() - startedAt
    bytes = sizes.reduce((sum, size) => sum + size)
    const { user, system } = process.cpuUsage(before)
    if (index < 0) continue
    times.push(tookMs)
    processorMs += (user + system) / 1000 / calls
  }
  return [
    median(times).toFixed(0),
    Math.max(...times).toFixed(0),
    processorMs.toFixed(0),
    bytes.toLocaleString('en-US'),
  ]
}

async function sizeOf(dashboard: Dashboard, path: string): Promise<number> {
  const response = await dashboard(
    new Request(`http://localhost${path}`, { headers: { 'accept-encoding': 'gzip', host: 'localhost' } }),
  )
  if (response.status !== 200)
    throw new Error(`The dashboard answered ${path} with ${response.status}: ${await response.text()}`)
  return (await response.arrayBuffer()).byteLength
}

/** Returns table rows with the sizes of the files that the dashboard's page loads. */
async function bundleRows(client: Client): Promise<readonly string[][]> {
  const dashboard = dashboardOf(client)
  const page = await (await dashboard(new Request('http://localhost/'))).text()
  const paths = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string)
  const rows: string[][] = []
  for (const path of paths) {
    rows.push([path.replace(/-[0-9a-f]+/, ''), '', '', '', (await sizeOf(dashboard, path)).toLocaleString('en-US')])
  }
  return rows
}
