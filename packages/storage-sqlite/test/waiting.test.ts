import { setImmediate as turn } from 'node:timers/promises'
import type { Clock, Timer } from '@jobistemer/core'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Connection } from '../src/connection.ts'
import { openDatabase } from '../src/open-database.ts'
import { readOptions } from '../src/options.ts'
import { makeScratch, type Scratch } from './scratch.ts'

const limitMs = 1000

/** A clock that does not advance by itself. Each timer advances it by `slowdown` times the delay of the timer. */
class WaitingClock implements Clock {
  slowdown = 1
  onTimer: () => void = () => {}
  readonly delays: number[] = []
  #nowMs = 5000

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  pass(ms: number): void {
    this.#nowMs += ms
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    this.delays.push(delayMs)
    void turn().then(() => {
      this.#nowMs += delayMs * this.slowdown
      this.onTimer()
      callback()
    })
    return { cancel() {} }
  }
}

let scratch: Scratch
let other: Database.Database
let connection: Connection
let clock: WaitingClock

function connect(on: Clock): Connection {
  const opened = openDatabase(readOptions({ file: scratch.file, synchronous: 'normal' }))
  const nothing = (): void => {}
  return new Connection(opened, limitMs, { onStart: nothing, onEnd: nothing, onRollback: nothing }, on)
}

beforeEach(() => {
  scratch = makeScratch()
  clock = new WaitingClock()
  connection = connect(clock)
  other = new Database(scratch.file)
})

afterEach(async () => {
  await connection.close()
  other.close()
  scratch.remove()
})

function locked(): never {
  throw Object.assign(new Error('locked'), { code: 'SQLITE_BUSY_RECOVERY' })
}

/** Runs a writing step. Returns its outcome and its duration in ms. */
async function write(step: () => string = () => 'written'): Promise<readonly [outcome: string, ms: number]> {
  const since = clock.monotonic()
  const outcome = await connection.write(step).catch((error) => error.code as string)
  return [outcome, clock.monotonic() - since]
}

describe('a step that finds the SQLite file locked', () => {
  it('fails at the time limit, and the next step has the whole limit again', async () => {
    other.exec('BEGIN IMMEDIATE')
    expect(await write()).toEqual(['STORAGE_BUSY', limitMs])
    other.exec('ROLLBACK')
    clock.pass(3000)
    other.exec('BEGIN IMMEDIATE')
    let pauses = 0
    clock.onTimer = () => {
      if (++pauses === 5) other.exec('ROLLBACK')
    }
    expect(await write()).toEqual(['written', 5])
    other.exec('BEGIN IMMEDIATE')
    expect(await write()).toEqual(['STORAGE_BUSY', limitMs])
    other.exec('ROLLBACK')
  })

  it('measures its time limit by the elapsed time, and not by the sum of the waits between its tries', async () => {
    clock.slowdown = 40
    other.exec('BEGIN IMMEDIATE')
    const [outcome, ms] = await write()
    expect(outcome).toBe('STORAGE_BUSY')
    expect(ms).toBeGreaterThanOrEqual(limitMs)
    // A step that waits for the lock may exceed the limit by its longest pause between two tries. This pause is 5 ms.
    expect(ms).toBeLessThanOrEqual(limitMs + 5 * clock.slowdown)
    other.exec('ROLLBACK')
  })

  it('waits for random times that differ between processes, even with the same process id', async () => {
    const otherClock = new WaitingClock()
    const another = connect(otherClock)
    other.exec('BEGIN IMMEDIATE')
    expect(await write()).toEqual(['STORAGE_BUSY', limitMs])
    await expect(another.write(() => 'written')).rejects.toMatchObject({ code: 'STORAGE_BUSY' })
    other.exec('ROLLBACK')
    await another.close()
    expect(clock.delays.length).toBeGreaterThan(100)
    expect(clock.delays).not.toEqual(otherClock.delays)
  })

  it('has its own time limit, counted from its call, even if an earlier step waits for the lock at the same time', async () => {
    other.exec('BEGIN IMMEDIATE')
    const first = write()
    let late: ReturnType<typeof write> | undefined
    clock.onTimer = () => {
      if (late === undefined && clock.monotonic() >= 5000 + limitMs / 2) late = write()
    }
    expect(await first).toEqual(['STORAGE_BUSY', limitMs])
    expect(await late).toEqual(['STORAGE_BUSY', limitMs])
    other.exec('ROLLBACK')
  })

  it('has its whole time limit after the previous step has ended', async () => {
    other.exec('BEGIN IMMEDIATE')
    const first = write()
    const second = write(locked)
    let freedAt = 0
    clock.onTimer = () => {
      if (!other.inTransaction || clock.monotonic() < 5000 + limitMs - 100) return
      other.exec('ROLLBACK')
      freedAt = clock.monotonic()
    }
    expect((await first)[0]).toBe('written')
    expect(await second).toEqual(['STORAGE_BUSY', freedAt - 5000 + limitMs])
  })
})

describe('a step that reads the SQLite file', () => {
  it('does not wait for queued steps that write', async () => {
    other.exec('BEGIN IMMEDIATE')
    let isWritten = false
    const writing = connection.write(() => {
      isWritten = true
    })
    expect(await connection.read(() => 'read')).toBe('read')
    expect([isWritten, clock.monotonic()]).toEqual([false, 5000])
    other.exec('ROLLBACK')
    await writing
    expect(isWritten).toBe(true)
  })

  it('does not shorten or lengthen the wait of steps that write', async () => {
    other.exec('BEGIN IMMEDIATE')
    const reads: Promise<unknown>[] = []
    clock.onTimer = () => void reads.push(connection.read(() => 'read'))
    const first = write()
    reads.push(connection.read(() => 'read'))
    const second = write()
    expect([await first, await second]).toEqual([
      ['STORAGE_BUSY', limitMs],
      ['STORAGE_BUSY', limitMs],
    ])
    expect(new Set(await Promise.all(reads))).toEqual(new Set(['read']))
    other.exec('ROLLBACK')
  })

  it('waits up to its time limit if the file is locked for readers too', async () => {
    const begun = clock.monotonic()
    let isLocked = true
    const step = (): string => (isLocked ? locked() : 'read')
    await expect(connection.read(step)).rejects.toMatchObject({ code: 'STORAGE_BUSY' })
    expect(clock.monotonic() - begun).toBe(limitMs)
    clock.onTimer = () => {
      isLocked = false
    }
    expect(await connection.read(step)).toBe('read')
  })
})
