import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { createScheduler, type Occurrence } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import Database from 'better-sqlite3'
import { expect, it, onTestFinished } from 'vitest'
import { jobName } from '../src/backup-job.ts'
import { lastBackup } from '../src/final-report.ts'
import { nodesOf } from '../src/nodes.ts'
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

/** What became of the attempts of an occurrence's tasks, in their order. */
function attemptsOf(occurrence: Occurrence | undefined): readonly (readonly string[])[] | undefined {
  return occurrence?.tasks.map(({ name, attempts }) => [name, ...attempts.map(({ state }) => state)])
}

const interrupted = [
  ['backup', 'succeeded'],
  ['compress', 'lost', 'succeeded'],
  ['verify', 'succeeded'],
  ['rotate', 'succeeded'],
]

it('kills a node in the middle of a task, and another one carries on', async () => {
  const folder = join(temporaryFolder(), 'out')
  const demo = startDemo('--seconds', '1', '--out', folder)
  const exitCode = await demo.ended
  expect(exitCode, demo.output()).toBe(0)
  expect(demo.output()).not.toContain('\x1b')
  expect(demo.output()).toContain('All checks hold.')
  const [, killed] = await demo.said(/Killing node ([AB]),/)
  const successor = killed === 'A' ? 'B' : 'A'
  expect(demo.output()).toContain(`killed on node ${killed} is recorded as lost, and node ${successor} carried on`)

  const storage = sqliteStorage({ file: join(folder, 'ledger.db') })
  onTestFinished(() => storage.close())
  const occurrences = await createScheduler({ storage }).occurrences({ job: jobName })
  expect(occurrences.length).toBeGreaterThan(3)
  expect(new Set(occurrences.map(({ state }) => state))).toEqual(new Set(['completed']))
  const rescued = occurrences.filter(({ fencingToken }) => fencingToken > 1)
  expect(rescued.map(({ node, fencingToken }) => [node, fencingToken])).toEqual([[successor, 2]])
  expect(attemptsOf(rescued[0])).toEqual(interrupted)

  const witness = readWitness(join(folder, 'witness.jsonl'))
  const nodeOf = nodesOf(witness)
  const id = rescued[0]?.id as Occurrence['id']
  const nodes = [nodeOf(id, 'backup', 1), nodeOf(id, 'compress', 1), nodeOf(id, 'compress', 2), nodeOf(id, 'rotate', 1)]
  expect(nodes).toEqual([killed, killed, successor, successor])
  for (const { process } of witness) expect(isAlive(process)).toBe(false)

  const backup = lastBackup(occurrences)
  const restored = join(folder, 'restored.db')
  writeFileSync(restored, gunzipSync(readFileSync(backup?.file ?? '')))
  const contents = async (file: string) => readContents(new Database(file, { readonly: true }))
  expect(await contents(restored)).toEqual(await contents(join(folder, 'source.db')))
  expect(backup?.contents).toEqual(await contents(restored))
})

it('starts its only node again, which goes on at once and makes up what it missed', async () => {
  const folder = join(temporaryFolder(), 'out')
  const demo = startDemo('--nodes', '1', '--seconds', '1', '--out', folder)
  expect(await demo.ended, demo.output()).toBe(0)
  expect(demo.output()).toContain('compress  attempt 1 lost')
  expect(demo.output()).toContain('queued, missed')

  const storage = sqliteStorage({ file: join(folder, 'ledger.db') })
  onTestFinished(() => storage.close())
  const occurrences = await createScheduler({ storage }).occurrences({ job: jobName })
  expect(attemptsOf(occurrences.find(({ fencingToken }) => fencingToken === 2))).toEqual(interrupted)
  expect(occurrences.some(({ recovered }) => recovered)).toBe(true)
  const processes = new Set(readWitness(join(folder, 'witness.jsonl')).map((line) => line.process))
  expect(processes.size).toBe(2)
})

it('ends at once when it is told to, and takes its nodes along', async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'my.db')
  createDatabase(database)
  const demo = startDemo('--db', database, '--out', join(folder, 'out'))
  const [, a, b] = await demo.said(/A is process (\d+), B is process (\d+)/)
  const alive = () => [a, b].map((node) => isAlive(Number(node)))
  expect(alive()).toEqual([true, true])
  demo.child.kill('SIGINT')
  expect(await demo.ended).toBe(130)
  expect(demo.output()).toContain('ended by SIGINT')
  expect(alive()).toEqual([false, false])
})

it('says why when a node dies of itself, and takes the other one along', async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'my.db')
  createDatabase(database)
  const demo = startDemo('--db', database, '--out', join(folder, 'out'))
  const [, a, b] = await demo.said(/A is process (\d+), B is process (\d+)/)
  process.kill(Number(b), 'SIGKILL')
  expect(await demo.ended).toBe(1)
  expect(demo.output()).toContain('Node B ended by itself (SIGKILL)')
  expect(isAlive(Number(a))).toBe(false)
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
  const demo = startDemo('--storage', 'papyrus')
  expect(await demo.ended).toBe(2)
  expect(demo.output()).toMatch(/--storage is not a storage of this demo: "papyrus".*\n\nUsage: npm run demo/)
})
