import type Database from 'better-sqlite3'

/** A connection of better-sqlite3 of which one statement fails, the so-manieth from when it was told so. */
export class FaultyConnection {
  readonly database: Database.Database
  #left = Number.POSITIVE_INFINITY

  constructor(real: Database.Database) {
    this.database = new Proxy(real, {
      get: (target, name) => {
        if (name === 'prepare') return (sql: string) => this.#statement(target.prepare(sql))
        if (name === 'exec') return (sql: string) => this.#exec(target, sql)
        const member = Reflect.get(target, name, target)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
  }

  /** `statements`: 0 for the next one. */
  failAfter(statements: number): void {
    this.#left = statements
  }

  /** Answers whether the fault has come. */
  heal(): boolean {
    const hasFailed = this.#left < 0
    this.#left = Number.POSITIVE_INFINITY
    return hasFailed
  }

  #exec(target: Database.Database, sql: string): unknown {
    // A rollback that fails is the end of a connection, and of its transaction.
    if (!sql.startsWith('ROLLBACK')) this.#tick()
    return target.exec(sql)
  }

  #statement(real: Database.Statement): Database.Statement {
    const statement: Database.Statement = new Proxy(real, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        return (...values: unknown[]) => {
          if (name === 'run' || name === 'get' || name === 'all') this.#tick()
          const answer = member.apply(target, values)
          return answer === target ? statement : answer
        }
      },
    })
    return statement
  }

  #tick(): void {
    if (this.#left-- === 0) throw Object.assign(new Error('injected'), { code: 'SQLITE_IOERR' })
  }
}
