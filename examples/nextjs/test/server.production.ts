import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { expect, it, onTestFinished } from 'vitest'

const own = fileURLToPath(new URL('..', import.meta.url))
const program = join(own, 'node_modules/next/dist/bin/next')

const ofTheWorkspace = ['node_modules', 'test', 'dist', '.next', 'tsconfig.json']

function next(folder: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawn(process.execPath, [program, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', ...env },
  })
}

it('a production build of the Next.js example runs its jobs, and loses no run when the server ends', async () => {
  // The test builds a copy of the app. The copy lies inside the example, because its imports then find all
  // dependencies. The copy lies outside of `node_modules`, because Next.js compiles no files there.
  mkdirSync(join(own, 'dist'), { recursive: true })
  const folder = mkdtempSync(join(own, 'dist', 'production-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of readdirSync(own)) {
    if (ofTheWorkspace.includes(name) || name.startsWith('vitest.')) continue
    cpSync(join(own, name), join(folder, name), { recursive: true })
  }
  // The example's `tsconfig.json` extends a file that is not copied, so this test writes another `tsconfig.json` for
  // the copied app.
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { jsx: 'react-jsx', strict: true } }))
  const build = next(folder, ['build'])
  let said = ''
  for (const stream of [build.stdout, build.stderr]) stream.on('data', (text) => (said += text))
  const [code] = await once(build, 'exit')
  expect(code, said).toBe(0)
  const file = join(folder, 'jobs.db')
  const env = { JOBS_FILE: file, NEXT_MANUAL_SIG_HANDLE: 'true' }
  const server = next(folder, ['start', '--port', '0', '--hostname', '127.0.0.1'], env)
  onTestFinished(() => void server.kill('SIGKILL'))
  const origin = await new Promise<string>((resolve, reject) => {
    let told = ''
    server.stdout.on('data', (text) => {
      told += text
      const found = /http:\/\/(?:127\.0\.0\.1|localhost):(\d+)[\s\S]*Ready/.exec(told)
      if (found !== null) resolve(`http://127.0.0.1:${found[1]}`)
    })
    server.stderr.on('data', (text) => (told += text))
    server.once('exit', () => reject(new Error(told)))
  })
  // The first answer takes long, because Next.js loads the code of the page. The run must not end before the second answer.
  expect((await fetch(origin)).status).toBe(200)
  const body = JSON.stringify({ pages: 200 })
  const response = await fetch(`${origin}/api/reports`, { method: 'POST', body })
  expect(response.status).toBe(202)
  const { id } = (await response.json()) as { readonly id: string }
  expect(await (await fetch(origin)).text()).toContain('running')
  const exit = once(server, 'exit')
  server.kill('SIGTERM')
  expect(await exit).toEqual([0, null])
  const storage = sqliteStorage({ file })
  const client = createClient({ storage })
  const { items } = await client.occurrences({ job: 'report' })
  expect(items.map((one) => [one.id, one.state, one.tasks[0]?.result])).toEqual([[id, 'completed', { pages: 200 }]])
  await client.close()
  await storage.close()
})
