import { JobistemerError, printValue } from '@jobistemer/core'
import type Database from 'better-sqlite3'
import { identityOf, mainFileOf } from './file-watch.ts'
import type { OpenedDatabase } from './open-database.ts'

const accepted = 'Give the connection of better-sqlite3 that your transaction is open on, to the file of the storage.'

/**
 * Returns the user's connection, on which the storage writes in the same transaction as the user.
 *
 * @throws JobistemerError `INVALID_TRANSACTION`
 */
export function readTransaction(
  transaction: unknown,
  own: Pick<OpenedDatabase, 'database' | 'file'>,
): Database.Database {
  if (!isDatabase(transaction)) {
    throw invalid(transaction, `transaction is no connection of better-sqlite3: ${printValue(transaction)}`, accepted)
  }
  const { name } = transaction
  if (transaction === own.database || own.database.memory) {
    const remedy = 'Open the storage by file, so that it has a connection of its own beside yours.'
    throw invalid(name, `The storage works on the very connection that transaction is: ${printValue(name)}`, remedy)
  }
  if (!transaction.open) throw invalid(name, `The connection of transaction is closed: ${printValue(name)}`, accepted)
  assertOpen(transaction)
  const file = mainFileOf(transaction)
  if (file === '' || identityOf(file) !== identityOf(own.file)) {
    throw invalid(
      file,
      `transaction is on another file than the storage: ${printValue(file)}`,
      `The storage is in ${printValue(own.file)}. Keep both in one file, with tablePrefix: an attached file is not safe.`,
    )
  }
  return transaction
}

/** @throws JobistemerError `INVALID_TRANSACTION` */
export function assertOpen({ inTransaction, name }: Pick<Database.Database, 'inTransaction' | 'name'>): void {
  if (inTransaction) return
  const remedy = 'Begin one, best with BEGIN IMMEDIATE, and await this call before its end.'
  throw invalid(name, `No transaction is open on the connection that transaction is: ${printValue(name)}`, remedy)
}

function isDatabase(value: unknown): value is Database.Database {
  if (typeof value !== 'object' || value === null) return false
  const { prepare, pragma, inTransaction } = value as Partial<Database.Database>
  return typeof prepare === 'function' && typeof pragma === 'function' && typeof inTransaction === 'boolean'
}

function invalid(value: unknown, problem: string, remedy: string): JobistemerError {
  return new JobistemerError('INVALID_TRANSACTION', { message: `${problem}.`, field: 'transaction', value, remedy })
}
