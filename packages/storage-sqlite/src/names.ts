import type { Owner } from '@jobistemer/core/storage'
import type Database from 'better-sqlite3'
import type { NamedTables } from './table-names.ts'

/** Remembered names of each kind. Each job with code has a handler key of its own: 100,000 idle jobs would hold 10 MB. */
const mostRemembered = 10_000

/**
 * Numbers for what repeats in many rows: owners and handler keys. Known ones are remembered; {@link forget} after a
 * rollback, which may have taken new ones back.
 */
export class Names {
  readonly #owners: Map<string, number> = new Map()
  readonly #ownersByRow: Map<number, Owner> = new Map()
  readonly #handlers: Map<string, number> = new Map()
  readonly #handlersByRow: Map<number, string> = new Map()
  readonly #findOwner: Database.Statement
  readonly #addOwner: Database.Statement
  readonly #readOwner: Database.Statement
  readonly #findHandler: Database.Statement
  readonly #addHandler: Database.Statement
  readonly #readHandler: Database.Statement
  #lastOwner: Owner | undefined
  #lastOwnerRow: number | undefined

  constructor(database: NamedTables) {
    this.#findOwner = database.prepare('SELECT row FROM {owners} WHERE node = ? AND incarnation = ?').pluck()
    this.#addOwner = database.prepare('INSERT INTO {owners} (node, incarnation) VALUES (?, ?)')
    this.#readOwner = database.prepare('SELECT node, incarnation FROM {owners} WHERE row = ?')
    this.#findHandler = database.prepare('SELECT row FROM {handlers} WHERE key = ?').pluck()
    this.#addHandler = database.prepare('INSERT INTO {handlers} (key) VALUES (?)')
    this.#readHandler = database.prepare('SELECT key FROM {handlers} WHERE row = ?').pluck()
  }

  forget(): void {
    this.#lastOwner = undefined
    this.#owners.clear()
    this.#ownersByRow.clear()
    this.#handlers.clear()
    this.#handlersByRow.clear()
  }

  /** The number of an owner, if it has one. */
  findOwner(owner: Owner): number | undefined {
    // The items of a batch have one owner.
    if (owner === this.#lastOwner) return this.#lastOwnerRow
    const { node, incarnation } = owner
    const row = this.#findOwnerByName(node, incarnation)
    if (row !== undefined) {
      this.#lastOwner = owner
      this.#lastOwnerRow = row
    }
    return row
  }

  #findOwnerByName(node: string, incarnation: string): number | undefined {
    const name = `${node.length} ${node}${incarnation}`
    const known = this.#owners.get(name)
    if (known !== undefined) return known
    const row = this.#findOwner.get(node, incarnation) as number | undefined
    if (row !== undefined) this.#owners.set(name, row)
    return row
  }

  /** The number of an owner, given to it now if it has none. For write steps only. */
  ownerRow(owner: Owner): number {
    return this.findOwner(owner) ?? Number(this.#addOwner.run(owner.node, owner.incarnation).lastInsertRowid)
  }

  ownerOf(row: number): Owner {
    let owner = this.#ownersByRow.get(row)
    if (owner === undefined) {
      owner = this.#readOwner.get(row) as Owner
      this.#ownersByRow.set(row, owner)
    }
    // A copy: the answer belongs to the caller.
    return { node: owner.node, incarnation: owner.incarnation }
  }

  findHandler(key: string): number | undefined {
    const known = this.#handlers.get(key)
    if (known !== undefined) return known
    const row = this.#findHandler.get(key) as number | undefined
    if (row !== undefined) remember(this.#handlers, key, row)
    return row
  }

  /** The number of a handler key, given to it now if it has none. For write steps only. */
  handlerRow(key: string): number {
    return this.findHandler(key) ?? Number(this.#addHandler.run(key).lastInsertRowid)
  }

  handlerOf(row: number): string {
    let key = this.#handlersByRow.get(row)
    if (key === undefined) {
      key = this.#readHandler.get(row) as string
      remember(this.#handlersByRow, row, key)
    }
    return key
  }
}

function remember<Key, Value>(known: Map<Key, Value>, key: Key, value: Value): void {
  if (known.size >= mostRemembered) known.clear()
  known.set(key, value)
}
