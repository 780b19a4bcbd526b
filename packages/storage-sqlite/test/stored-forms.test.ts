import { writeFileSync } from 'node:fs'
import { storedForms, storedFormTrial } from '@jobistemer/test-kit'
import Database from 'better-sqlite3'
import { expect, it, onTestFinished } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { makeScratch } from './scratch.ts'
import { beginTransaction } from './user-transaction.ts'

const folder = new URL('./fixtures/stored-forms/', import.meta.url)

function newFile() {
  const { file, remove } = makeScratch()
  onTestFinished(remove)
  return {
    connect: () => sqliteStorage({ file }),
    begin: () => beginTransaction(file),
    async save() {
      const database = new Database(file)
      const bytes = database.serialize()
      database.close()
      return bytes.toString('base64')
    },
    load: async (data: string) => writeFileSync(file, Buffer.from(data, 'base64')),
  }
}

it.each(storedForms(folder))('the jobs in an SQLite file of Jobistemer %s still run', async (version) => {
  await expect(storedFormTrial(folder, version, newFile)).resolves.toBeUndefined()
})
