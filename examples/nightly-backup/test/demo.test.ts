import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { createScheduler } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import Database from 'better-sqlite3'
import { expect, it, onTestFinished } from 'vitest'
import { jobName } from '../src/backup-job.ts'
import { lastBackup } from '../src/final-report.ts'
import { readContents } from '../src/table-contents.ts'
import { readWitness } from '../src/witness.ts'
import { createDatabase, temporaryFolder } from './world.ts'

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url))

interface DemoProcess {
  readonly child: ChildProcess
  output(): string
  /** Resolves when the output contains something like this. */
  said(pattern: RegExp): Promise<RegExpExecArray>
  /** Resolves to the exit code. */
  readonly ended: Promise<number | null>
}

function startDemo(...args: readonly string[]): DemoProcess {
  const { INIT_CWD: _, ...env } = process.env
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const said = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(output)
        if (found !== null) resolve(found)
      }
      child.stdout.on('data', look)
      child.on('close', () => reject(new Error(`The demo ended without saying ${pattern}:\n${output}`)))
      look()
    })
  return { child, output: () => output, said, ended: once(child, 'close').then(([code]) => code as number | null) }
}

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0)
  } catch {
    return false
  }
}

it('kills its worker in the middle of a task, and loses and repeats nothing', async () => {
  const folder = join(temporaryFolder(), 'out')
  const demo = startDemo('--seconds', '1', '--out', folder)
  const exitCode = await demo.ended
  expect(exitCode, demo.output()).toBe(0)
  expect(demo.output()).not.toContain('\x1b')
  expect(demo.output()).toContain('All checks hold.')

  const storage = sqliteStorage({ file: join(folder, 'ledger.db') })
  onTestFinished(() => storage.close())
  const occurrences = await createScheduler({ storage }).occurrences({ job: jobName })
  expect(occurrences.length).toBeGreaterThan(3)
  expect(new Set(occurrences.map(({ state }) => state))).toEqual(new Set(['completed']))
  const owners = occurrences.map(({ fencingToken }) => fencingToken)
  expect(owners).toEqual(occurrences.map((_, index) => (index === 2 ? 2 : 1)))
  const attempts = occurrences[2]?.tasks.map(({ name, attempts }) => [name, ...attempts.map(({ state }) => state)])
  expect(attempts).toEqual([
    ['backup', 'succeeded'],
    ['compress', 'lost', 'succeeded'],
    ['verify', 'succeeded'],
    ['rotate', 'succeeded'],
  ])

  const workers = new Set(readWitness(join(folder, 'witness.jsonl')).map((line) => line.process))
  expect(workers.size).toBe(2)
  for (const worker of workers) expect(isAlive(worker)).toBe(false)

  const backup = lastBackup(occurrences)
  const restored = join(folder, 'restored.db')
  writeFileSync(restored, gunzipSync(readFileSync(backup?.file ?? '')))
  const contents = async (file: string) => readContents(new Database(file, { readonly: true }))
  expect(await contents(restored)).toEqual(await contents(join(folder, 'source.db')))
  expect(backup?.contents).toEqual(await contents(restored))
})

it('ends at once when it is told to, and takes its worker along', async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'my.db')
  createDatabase(database)
  const demo = startDemo('--db', database, '--out', join(folder, 'out'))
  const [, worker] = await demo.said(/process (\d+) runs the job/)
  expect(isAlive(Number(worker))).toBe(true)
  demo.child.kill('SIGINT')
  expect(await demo.ended).toBe(130)
  expect(demo.output()).toContain('ended by SIGINT')
  expect(isAlive(Number(worker))).toBe(false)
})

it('says why when its worker dies of itself', async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'my.db')
  createDatabase(database)
  const demo = startDemo('--db', database, '--out', join(folder, 'out'))
  const [, worker] = await demo.said(/process (\d+) runs the job/)
  process.kill(Number(worker), 'SIGKILL')
  expect(await demo.ended).toBe(1)
  expect(demo.output()).toContain('The worker ended by itself (SIGKILL)')
})

it('refuses a bad database before it creates anything', async () => {
  const folder = temporaryFolder()
  const demo = startDemo('--db', join(folder, 'missing.db'), '--out', join(folder, 'out'))
  expect(await demo.ended).toBe(2)
  expect(demo.output()).toContain('missing.db does not exist')
  expect(existsSync(join(folder, 'out'))).toBe(false)
  expect(readdirSync(folder)).toEqual([])
})

it('answers a wrong option with its usage', async () => {
  const demo = startDemo('--storage', 'redis')
  expect(await demo.ended).toBe(2)
  expect(demo.output()).toMatch(/--storage is not a storage of this demo: "redis".*\n\nUsage: npm run demo/)
})
