import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createClient } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const token = 'a-token-of-24-characters'

interface Running {
  readonly origin: string
  readonly process: ChildProcess
  readonly file: string
}

/** Starts a server process. `onEnd` registers the end of the process after one test or after all tests. */
async function start(name: string, onEnd: (end: () => Promise<void>) => void): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-web-'))
  const file = join(folder, 'jobs.db')
  const program = fileURLToPath(new URL(`../dist/${name}.js`, import.meta.url))
  const server = spawn(process.execPath, [program, file, '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ADMIN_TOKEN: token },
  })
  onEnd(async () => {
    if (server.exitCode === null && server.signalCode === null && server.kill('SIGKILL')) await once(server, 'exit')
    rmSync(folder, { recursive: true })
  })
  const [line] = await once(createInterface(server.stdout), 'line')
  return { origin: String(line).replace('listening on ', ''), process: server, file }
}

function ask(origin: string, pages: number): Promise<Response> {
  const headers = { 'content-type': 'application/json', connection: 'close' }
  return fetch(`${origin}/reports`, { method: 'POST', headers, body: JSON.stringify({ pages }) })
}

/** Opens the event stream of a dashboard page, and discards its data. */
async function openPage(origin: string): Promise<IncomingMessage> {
  const asking = request(`${origin}/admin/jobs/api/changes`, { headers: { authorization: `Bearer ${token}` } }).end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  return response.resume()
}

/** Sends a request whose body never arrives. */
async function askForEver(origin: string): Promise<void> {
  const headers = { 'content-type': 'application/json', 'content-length': 100 }
  const asking = request(`${origin}/reports`, { method: 'POST', headers })
  asking.on('error', () => undefined)
  asking.flushHeaders()
  const [socket] = await once(asking, 'socket')
  if (socket.connecting) await once(socket, 'connect')
}

describe.each(['express-server', 'hono-server'])('the web server of the example %s', (name) => {
  /** A server process that all tests share except the test of the shutdown. */
  let shared: Running
  const ends: (() => Promise<void>)[] = []

  beforeAll(async () => {
    shared = await start(name, (end) => ends.push(end))
  })

  afterAll(async () => {
    for (const end of ends) await end()
  })

  it('triggers a job on request, and answers with the job’s state and result', async () => {
    const { origin } = shared
    const response = await ask(origin, 2)
    expect(response.status).toBe(202)
    const { id } = (await response.json()) as { readonly id: string }
    let told: { readonly state: string; readonly result: unknown }
    do told = (await (await fetch(`${origin}/reports/${id}`)).json()) as typeof told
    while (told.state === 'running' || told.state === 'pending')
    expect(told).toEqual({ state: 'completed', result: { pages: 2 } })
  })

  it('answers to an invalid request with the code and the message of the error, and without a stack', async () => {
    const { origin } = shared
    const answer = async (path: string, body?: string) => {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${origin}${path}`, body === undefined ? {} : { method: 'POST', headers, body })
      return { status: response.status, body: JSON.parse(await response.text()) as unknown }
    }
    const unknown = 'occ_00000000-0000-5000-8000-000000000000'
    const message = expect.stringMatching(/^(?!.*\n)/s) as unknown
    const refused = async (path: string, body?: string) => {
      const { status, body: told } = await answer(path, body)
      expect(told).toEqual({ code: expect.any(String) as unknown, message })
      return [status, (told as { readonly code: string }).code]
    }
    expect(await refused(`/reports/${unknown}`)).toEqual([404, 'OCCURRENCE_NOT_FOUND'])
    expect(await refused('/reports/nothing')).toEqual([404, 'OCCURRENCE_NOT_FOUND'])
    expect(await refused('/reports', '{"pages":"x"}')).toEqual([400, 'INVALID_PAYLOAD'])
    expect(await refused('/reports', '{"pages":')).toEqual([400, 'INVALID_JSON'])
  })

  it('serves the dashboard only to requests with the dashboard’s token', async () => {
    const { origin } = shared
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${origin}/admin/jobs/api/jobs`, { headers })).status
    expect([await status({}), await status({ authorization: `Bearer ${token}` })]).toEqual([401, 200])
  })

  it('shuts down without losing an accepted request, although a page is open and another request never ends', async () => {
    const { origin, process: server, file } = await start(name, onTestFinished)
    const page = await openPage(origin)
    expect(page.statusCode).toBe(200)
    const left = once(page, 'end')
    await askForEver(origin)
    const { id } = (await (await ask(origin, 20)).json()) as { readonly id: string }
    const answers = Array.from({ length: 20 }, () =>
      ask(origin, 1).then(
        ({ status }) => status,
        () => null,
      ),
    )
    const exit = once(server, 'exit')
    server.kill('SIGTERM')
    expect(await exit).toEqual([0, null])
    await left
    const accepted = (await Promise.all(answers)).filter((status) => status === 202).length
    const storage = sqliteStorage({ file })
    const client = createClient({ storage })
    const { items } = await client.occurrences({ job: 'report' })
    // Each accepted run has completed, or waits in the storage for the next server process.
    expect(items.length).toBeGreaterThanOrEqual(accepted + 1)
    expect(items.find((one) => one.id === id)?.state).toBe('completed')
    expect(items.filter(({ state }) => !['completed', 'queued', 'pending'].includes(state))).toEqual([])
    await client.close()
    await storage.close()
  })
})
