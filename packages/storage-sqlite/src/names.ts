import type { Owner } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { NamedTables } from './schema.ts'

/**
 * Maximum number of cached names of each kind. Each job with code has its own handler key. Without a limit, the handler keys of
 * 100,000 idle jobs would occupy 10 MB.
 */
const mostRemembered = 10_000

/** The row numbers of owners and handler keys. Many rows store these numbers instead of the names. */
export class Names {
  readonly #owners: NumberedNames
  readonly #handlers: NumberedNames
  #lastOwner: Owner | undefined
  #lastOwnerRow: number | undefined

  constructor(database: NamedTables) {
    this.#owners = new NumberedNames(database, 'owners', ['node', 'incarnation'])
    this.#handlers = new NumberedNames(database, 'handlers', ['key'])
  }

  /** Clears the caches after a rollback, which may have removed the cached rows. */
  forget(): void {
    this.#lastOwner = undefined
    this.#owners.forget()
    this.#handlers.forget()
  }

  /** Returns the row number of an owner in the table `owners`; `undefined` if the table lacks the owner. */
  findOwner(owner: Owner): number | undefined {
    // All items of a batch have the same owner object. So the number of the last owner usually makes a look-up
    // unnecessary.
    if (owner === this.#lastOwner) return this.#lastOwnerRow
    const row = this.#owners.find(owner.node, owner.incarnation)
    if (row !== undefined) {
      this.#lastOwner = owner
      this.#lastOwnerRow = row
    }
    return row
  }

  /** Returns the row number of an owner in the table `owners`. Adds an unknown owner, so only write steps may call this. */
  ownerRow(owner: Owner): number {
    return this.findOwner(owner) ?? this.#owners.add(owner.node, owner.incarnation)
  }

  ownerOf(row: number): Owner {
    const [node, incarnation] = this.#owners.nameOf(row)
    return { node: node as string, incarnation: incarnation as string }
  }

  findHandler(key: string): number | undefined {
    return this.#handlers.find(key)
  }

  /** Returns the row number of a key in the table `handlers`. Adds an unknown key, so only write steps may call this. */
  handlerRow(key: string): number {
    return this.#handlers.find(key) ?? this.#handlers.add(key)
  }

  handlerOf(row: number): string {
    return this.#handlers.nameOf(row)[0] as string
  }
}

/** A table of numbered names. Each name has one or several columns. */
class NumberedNames {
  readonly #rows: Map<string, number> = new Map()
  readonly #names: Map<number, readonly string[]> = new Map()
  readonly #find: Database.Statement
  readonly #add: Database.Statement
  readonly #read: Database.Statement

  constructor(database: NamedTables, table: string, columns: readonly string[]) {
    const names = columns.join(', ')
    const values = columns.map(() => '?').join(', ')
    this.#find = database.pluck(`SELECT row FROM {${table}} WHERE (${names}) = (${values})`)
    this.#add = database.prepare(`INSERT INTO {${table}} (${names}) VALUES (${values})`)
    this.#read = database.raw(`SELECT ${names} FROM {${table}} WHERE row = ?`)
  }

  forget(): void {
    this.#rows.clear()
    this.#names.clear()
  }

  find(...name: readonly string[]): number | undefined {
    const text = name.length === 1 ? (name[0] as string) : JSON.stringify(name)
    const known = this.#rows.get(text)
    if (known !== undefined) return known
    const row = this.#find.get(...name) as number | undefined
    if (row !== undefined) remember(this.#rows, text, row)
    return row
  }

  add(...name: readonly string[]): number {
    return Number(this.#add.run(...name).lastInsertRowid)
  }

  nameOf(row: number): readonly string[] {
    let name = this.#names.get(row)
    if (name === undefined) {
      name = this.#read.get(row) as readonly string[]
      remember(this.#names, row, name)
    }
    return name
  }
}

function remember<Key, Value>(known: Map<Key, Value>, key: Key, value: Value): void {
  if (known.size >= mostRemembered) known.clear()
  known.set(key, value)
}
