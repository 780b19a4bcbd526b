import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createScheduler, defineJob, JobistemerError, jobId } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { assertLedger } from '@jobistemer/storage-conformance'
import { cron } from '@jobistemer/ticker-cron'
import { levelStorage } from 'level-storage-example'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LevelLedger } from '../src/level-ledger.js'
import { openDatabase } from '../src/open-database.js'

const writer = fileURLToPath(new URL('./writer.mjs', import.meta.url))

/** Counts the lines of this example's source files, without blank lines and comments. A test limits their number. */
async function countLines() {
  const sources = new URL('../src/', import.meta.url)
  const texts = await Promise.all((await readdir(sources)).map((name) => readFile(new URL(name, sources), 'utf8')))
  const lines = texts.flatMap((text) => text.replaceAll(/\/\*\*[\s\S]*?\*\//g, '').split('\n'))
  return lines.filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length
}

describe('the example storage on LevelDB', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'level-storage-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true })
  })

  it('can be shared by several schedulers of one process, which together run each slot only once', async () => {
    /** @type {string[]} */
    const runs = []
    const clock = virtualClock('2026-01-01T00:00:00Z')
    const schedulers = ['first', 'second', 'third'].map((nodeId) => {
      const run = (/** @type {{ scheduledAt: Date }} */ { scheduledAt }) => {
        runs.push(scheduledAt.toISOString())
      }
      const job = defineJob({ name: 'report', schedule: cron('* * * * *'), tasks: [{ name: 'write', run }] })
      return createScheduler({ storage: levelStorage({ folder }), jobs: [job], nodeId, clock })
    })
    for (const scheduler of schedulers) await scheduler.start()
    await clock.advance({ minutes: 4 })
    for (const scheduler of schedulers) await scheduler.shutdown()
    expect(runs).toHaveLength(4)
    expect(new Set(runs).size).toBe(4)
  })

  it('keeps every acknowledged write when its process is killed', async () => {
    for (let round = 1; round <= 3; round++) {
      const child = spawn(process.execPath, [writer, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
      const exited = new Promise((resolve) => child.once('exit', resolve))
      let acknowledged = 0
      let lines = 0
      for await (const line of createInterface({ input: child.stdout })) {
        acknowledged = Number(line)
        if (++lines === 20 * round) child.kill('SIGKILL')
      }
      await exited
      const storage = levelStorage({ folder })
      const { jobs } = await storage.get({ jobs: [jobId('endless')] })
      expect(jobs[0]?.watermark).toBeGreaterThanOrEqual(acknowledged)
      await assertLedger(storage)
      await storage.close()
    }
  })

  it('migrates data in an older format, even after a crash in the migration, and refuses data in a newer format', async () => {
    const first = levelStorage({ folder })
    await first.listJobs({ limit: 1, cursor: null })
    await first.close()
    let tries = 0
    /** @param {import('classic-level').ClassicLevel<string, any>} level */
    const migrate = async (level) => {
      await level.put('job/made-up', { job: undefined })
      if (++tries === 1) throw new Error('killed')
    }
    const crashed = openDatabase(folder, [migrate])
    await expect(crashed.opening).rejects.toThrow('killed')
    await crashed.release()
    const migrated = openDatabase(folder, [migrate])
    await migrated.opening
    expect(tries).toBe(2)
    await migrated.release()
    const older = levelStorage({ folder })
    await expect(older.get({})).rejects.toSatisfy((error) => JobistemerError.isInstance(error, 'STORAGE_SCHEMA_NEWER'))
    await older.close()
    const again = new LevelLedger(openDatabase(folder, [migrate]))
    expect(await again.get({ counts: ['all'] })).toMatchObject({ counts: [{ pending: 0, queued: 0, running: 0 }] })
    expect(tries).toBe(2)
    await again.close()
  })

  it('has fewer than 300 lines of code', async () => {
    expect(await countLines()).toBeLessThan(300)
  })

  it('throws an error that names the folder if it cannot open the folder', async () => {
    const file = fileURLToPath(import.meta.url)
    const storage = levelStorage({ folder: file })
    await expect(storage.get({})).rejects.toSatisfy(
      (error) =>
        JobistemerError.isInstance(error, 'STORAGE_UNREADABLE') && error.field === 'folder' && error.value === file,
    )
    await storage.close()
  })
})
