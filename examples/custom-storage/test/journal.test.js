import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { JobistemerError, jobId, occurrenceId } from '@jobistemer/core'
import { assertLedger } from '@jobistemer/storage-conformance'
import { journalStorage } from 'custom-storage-example'
import { JournalFile } from '../src/journal-file.js'

const writer = new URL('./writer.js', import.meta.url)

/** @param {(file: string) => Promise<void>} body */
async function withFile(body) {
  const folder = await mkdtemp(join(tmpdir(), 'journal-storage-'))
  try {
    await body(join(folder, 'jobs.journal'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/**
 * Starts a writing process, and kills it after `lines` lines of output. Returns the writes that the process had
 * acknowledged.
 * @param {string} file
 * @param {number} lines
 */
async function writeUntilKilled(file, lines) {
  const child = spawn(process.execPath, [fileURLToPath(writer), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  /** @type {number[]} */
  const acknowledged = []
  const exited = new Promise((resolve) => child.once('exit', resolve))
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line))
    if (acknowledged.length === lines) child.kill('SIGKILL')
  }
  await exited
  return acknowledged
}

describe('the journal file of the example storage', () => {
  it('contains every write that the storage acknowledged before its process was killed', async () => {
    await withFile(async (file) => {
      const acknowledged = await writeUntilKilled(file, 300)
      assert.ok(acknowledged.length >= 300)
      const storage = journalStorage({ file })
      const id = jobId('endless')
      const ids = acknowledged.map((at) => occurrenceId(id, at))
      const { occurrences } = await storage.get({ occurrences: ids })
      assert.deepEqual([...new Set(occurrences.map((record) => record?.state))], ['completed'])
      await assertLedger(storage)
      await storage.close()
    })
  })

  it('loses only the line that was being written when the process died', async () => {
    await withFile(async (file) => {
      const first = journalStorage({ file })
      await first.prune({ now: 1, jobId: null, before: 0, keep: 0, limit: 1 })
      await first.close()
      const whole = await readFile(file, 'utf8')
      await appendFile(file, '["saveJobs",{"now":17')
      const second = journalStorage({ file })
      assert.equal(await readFile(file, 'utf8'), whole)
      await second.prune({ now: 2, jobId: null, before: 0, keep: 0, limit: 1 })
      await second.close()
      assert.equal((await readFile(file, 'utf8')).split('\n').length, 4)
    })
  })

  it('is refused, and is not changed, if its content is not a journal', async () => {
    await withFile(async (file) => {
      for (const [content, code] of /** @type {const} */ ([
        ['name,age\nkim,7\n', 'STORAGE_UNREADABLE'],
        ['{"a":1}\n', 'STORAGE_FOREIGN'],
        ['["dropEverything",{}]\n', 'STORAGE_FOREIGN'],
      ])) {
        await writeFile(file, content)
        assert.throws(
          () => journalStorage({ file }),
          (error) => JobistemerError.isInstance(error, code) && error.field === 'file' && error.value === file,
        )
        assert.equal(await readFile(file, 'utf8'), content)
      }
    })
  })

  it('is migrated if its format is older than the format of the code, and refused if its format is newer', async () => {
    await withFile(async (file) => {
      await writeUntilKilled(file, 5)
      const first = journalStorage({ file })
      const before = await history(first)
      await first.close()
      /** @param {[string, any]} call */
      const rename = ([method, request]) => {
        if (method !== 'settle') return [method, request]
        const items = request.items.map((/** @type {any} */ item) => ({
          ...item,
          change: { ...item.change, reason: 'from form 1' },
        }))
        return [method, { ...request, items }]
      }
      const migrated = new JournalFile(file, { form: 2, migrations: [rename] })
      await migrated.lastCall
      const { items } = await history(migrated.memory())
      assert.deepEqual(
        items.map(({ reason }) => reason),
        before.items.map(({ state }) => (state === 'completed' ? 'from form 1' : null)),
      )
      migrated.journal.close()
      assert.throws(
        () => journalStorage({ file }),
        (error) => JobistemerError.isInstance(error, 'STORAGE_SCHEMA_NEWER'),
      )
      const again = new JournalFile(file, { form: 2, migrations: [rename] })
      await again.lastCall
      assert.deepEqual((await history(again.memory())).items, items)
      again.journal.close()
    })
  })

  it('refuses every later call after a write has failed, and contains no part of the failed call', async () => {
    await withFile(async (file) => {
      const storage = journalStorage({ file })
      await storage.prune({ now: 1, jobId: null, before: 0, keep: 0, limit: 1 })
      const whole = await readFile(file, 'utf8')
      await assert.rejects(storage.prune(unwritable()), TypeError)
      await assert.rejects(storage.get({}), TypeError)
      assert.equal(await readFile(file, 'utf8'), whole)
      await storage.close()
    })
  })

  it('cannot be opened in a folder that does not exist: `journalStorage` throws STORAGE_UNREADABLE', () => {
    assert.throws(
      () => journalStorage({ file: join(tmpdir(), 'no-such-folder-of-a-journal', 'jobs.journal') }),
      (error) => JobistemerError.isInstance(error, 'STORAGE_UNREADABLE'),
    )
  })
})

/** @param {import('@jobistemer/core/storage').Storage} storage */
async function history(storage) {
  const query = /** @type {const} */ ({ kind: 'job', order: 'ascending', runs: true, limit: 10_000, cursor: null })
  return await storage.listOccurrences({ ...query, jobId: jobId('endless') })
}

/** Returns a request that cannot be written as JSON. @returns {any} */
function unwritable() {
  const request = { now: 2, jobId: null, before: 0, keep: 0, limit: 1 }
  return Object.assign(request, { itself: request })
}
