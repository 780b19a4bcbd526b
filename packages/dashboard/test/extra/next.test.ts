import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createClient, defineJob, silentLogger } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { expect, it } from 'vitest'
import type { Page, JobLine } from '../../src/wire.ts'
import { basePath, jsonOf } from '../world.ts'

/** Timeout in ms that only ends a hanging build. A build on a busy machine takes minutes. */
const buildTimeoutMs = 300_000

const own = fileURLToPath(new URL('../..', import.meta.url))

/** Creates a Next.js app with its installed dependencies, in a folder that is removed after the test. */
function makeApp(): string {
  // The app is inside this package's folder, so that Node finds all dependencies of Next.js.
  const cache = join(own, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'next-'))
  cpSync(join(own, 'test/fixtures/next'), folder, { recursive: true })
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@jobistemer'), { recursive: true })
  for (const name of ['next', 'react', 'react-dom', '@jobistemer/core', '@jobistemer/storage-sqlite']) {
    symlinkSync(realpathSync(join(own, 'node_modules', name)), join(modules, name))
  }
  symlinkSync(own, join(modules, '@jobistemer/dashboard'))
  return folder
}

function next(folder: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawn(process.execPath, ['node_modules/next/dist/bin/next', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', ...env },
  })
}

it(
  'Next.js serves the dashboard as a route of its app',
  async () => {
    const folder = makeApp()
    const file = join(folder, 'jobs.db')
    const storage = sqliteStorage({ file, synchronous: 'normal' })
    const client = createClient({ storage, logger: silentLogger })
    await client.add(defineJob({ name: 'of next', tasks: [{ name: 'only', handler: 'none' }] }))
    const build = next(folder, ['build'])
    let said = ''
    build.stdout.on('data', (text) => {
      said += text
    })
    build.stderr.on('data', (text) => {
      said += text
    })
    const [code] = await once(build, 'exit')
    expect(code, said).toBe(0)
    const server = next(folder, ['start', '--port', '0', '--hostname', '127.0.0.1'], { JOBS_FILE: file })
    try {
      const origin = await new Promise<string>((resolve, reject) => {
        let told = ''
        server.stdout.on('data', (text) => {
          told += text
          const found = /http:\/\/(?:127\.0\.0\.1|localhost):(\d+)[\s\S]*Ready/.exec(told)
          if (found !== null) resolve(`http://127.0.0.1:${found[1]}`)
        })
        server.once('exit', () => reject(new Error(told)))
      })
      for (const path of ['', '/jobs']) {
        const page = await fetch(`${origin}${basePath}${path}`)
        const text = await page.text()
        expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
        for (const [, asset] of text.matchAll(/(?:src|href)="([^"]+)"/g)) {
          expect((await fetch(`${origin}${asset}`)).status).toBe(200)
        }
      }
      const jobs = await jsonOf<Page<JobLine>>(fetch(`${origin}${basePath}/api/jobs`))
      expect(jobs.items.map(({ name }) => name)).toEqual(['of next'])
      const headers = { 'content-type': 'application/json', 'x-jobistemer': '1', origin }
      const body = JSON.stringify({ job: 'of next', reason: 'by Next.js' })
      expect((await fetch(`${origin}${basePath}/api/pause`, { method: 'POST', headers, body })).status).toBe(200)
      expect((await client.job('of next')).paused).toMatchObject({ actor: 'next', reason: 'by Next.js' })
      const foreign = { ...headers, origin: 'https://evil.example' }
      expect((await fetch(`${origin}${basePath}/api/resume`, { method: 'POST', headers: foreign, body })).status).toBe(
        403,
      )
      const changes = await fetch(`${origin}${basePath}/api/changes`)
      const reader = (changes.body as ReadableStream<Uint8Array>).getReader()
      let told = ''
      while (!told.includes('start')) told += new TextDecoder().decode((await reader.read()).value)
      await reader.cancel()
    } finally {
      server.kill('SIGKILL')
      await client.close()
      await storage.close()
      rmSync(folder, { recursive: true, force: true })
    }
  },
  buildTimeoutMs,
)
