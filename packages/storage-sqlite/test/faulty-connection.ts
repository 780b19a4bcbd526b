import type Database from 'better-sqlite3'

/** Replaces the effect of a statement by a fault. */
type Fault = (real: Database.Database, run: () => unknown) => unknown

function fail(): never {
  throw Object.assign(new Error('injected'), { code: 'SQLITE_IOERR' })
}

const faults: Readonly<Record<string, Fault>> = {
  'a failure of the file': fail,
  'an answer that gets lost': (_, run) => {
    run()
    fail()
  },
  'a rollback': (real) => {
    if (real.inTransaction) real.exec('ROLLBACK')
    fail()
  },
  'a closed connection': (real, run) => {
    real.close()
    return run()
  },
}

export const faultNames: readonly string[] = Object.keys(faults)

/** A connection of better-sqlite3 with a fault in the n-th statement after {@link breakAfter}. */
export class FaultyConnection {
  readonly database: Database.Database
  readonly #real: Database.Database
  #left = Number.POSITIVE_INFINITY
  #fault: Fault = fail
  #broken: string | null = null

  constructor(real: Database.Database) {
    this.#real = real
    this.database = new Proxy(real, {
      get: (target, name) => {
        if (name === 'prepare') return (sql: string) => this.#statement(target.prepare(sql), sql)
        if (name === 'exec') return (sql: string) => this.#exec(target, sql)
        const member = Reflect.get(target, name, target)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
  }

  /**
   * Sets the fault of a later statement. `statements`: number of statements before the broken one; 0 breaks the next
   * statement.
   */
  breakAfter(fault: string, statements: number): void {
    this.#fault = faults[fault] as Fault
    this.#left = statements
    this.#broken = null
  }

  /** Ends the fault. Returns the statement that it has broken; `null` if it has broken none. */
  heal(): string | null {
    this.#left = Number.POSITIVE_INFINITY
    return this.#broken
  }

  #exec(target: Database.Database, sql: string): unknown {
    const run = () => target.exec(sql)
    // A failed rollback would end the connection and its transaction, so rollbacks get no faults.
    return sql.startsWith('ROLLBACK') ? run() : this.#run(sql, run)
  }

  #statement(real: Database.Statement, sql: string): Database.Statement {
    const statement: Database.Statement = new Proxy(real, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target)
        if (typeof member !== 'function') return member
        return (...values: unknown[]) => {
          const run = () => member.apply(target, values)
          const answer = name === 'run' || name === 'get' || name === 'all' ? this.#run(sql, run) : run()
          return answer === target ? statement : answer
        }
      },
    })
    return statement
  }

  #run(sql: string, run: () => unknown): unknown {
    if (this.#left-- !== 0) return run()
    this.#broken = sql
    return this.#fault(this.#real, run)
  }
}
