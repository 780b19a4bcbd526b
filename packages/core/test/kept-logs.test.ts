import { describe, expect, it } from 'vitest'
import { KeptLogs, TaskNotes } from '../src/engine/execution/kept-logs.ts'
import type { AttemptRecord, LogLineRecord, LogsRecord } from '../src/storage/occurrence-record.ts'

const line = (message: string): LogLineRecord => ({ at: 0, level: 'info', message })
const attempts: readonly AttemptRecord[] = [1, 2, 3].map((number) => ({
  number,
  state: 'failed',
  startedAt: 0,
  endedAt: 1,
}))
const logsOf = (notes: TaskNotes, attempt = 1): LogsRecord | undefined => notes.addTo(attempts)[attempt - 1]?.logs
const messagesOf = (notes: TaskNotes, attempt = 1) => logsOf(notes, attempt)?.lines.map(({ message }) => message)

describe('the kept log lines of an attempt', () => {
  it('are the last lines of the attempt, with the number of discarded earlier lines', () => {
    const notes = new TaskNotes(new KeptLogs(), 3)
    for (const text of ['a', 'b', 'c', 'd', 'e']) notes.logged(1, line(text))
    expect(logsOf(notes)).toEqual({ lines: ['c', 'd', 'e'].map(line), dropped: 2 })
  })

  it('do not change in an earlier snapshot when a line is added', () => {
    const notes = new TaskNotes(new KeptLogs(), 2)
    notes.logged(1, line('a'))
    const before = logsOf(notes)
    notes.logged(1, line('b'))
    notes.logged(1, line('c'))
    expect(before).toEqual({ lines: [line('a')], dropped: 0 })
  })

  it('continue after the lines that an earlier owner of the run stored', () => {
    const notes = new TaskNotes(new KeptLogs(), 2)
    const logs = { lines: [line('a'), line('b'), line('c')], dropped: 5 }
    notes.takeOver([{ ...(attempts[0] as AttemptRecord), logs }])
    expect(logsOf(notes)).toEqual(logs)
  })

  it('are dropped with the attempt when the record of the task keeps the attempt no longer', () => {
    const kept = new KeptLogs()
    const notes = new TaskNotes(kept, 2)
    notes.logged(1, line('a'))
    notes.supersede(attempts.slice(1))
    expect([logsOf(notes), kept.refuse()]).toEqual([undefined, false])
  })
})

describe('the kept logs of one occurrence', () => {
  it('have at most 65,536 bytes of JSON, whatever the handlers log', () => {
    const kept = new KeptLogs()
    const tasks = [new TaskNotes(kept, 1000), new TaskNotes(kept, 1000)]
    // The character U+0001 takes six bytes in JSON. So 400 lines of 1,000 such characters far exceed the limit of 65,536 bytes.
    for (let index = 0; index < 200; index++) for (const notes of tasks) notes.logged(1, line('\u0001'.repeat(1000)))
    const bytes = Buffer.byteLength(JSON.stringify(tasks.map((notes) => logsOf(notes))))
    expect(bytes).toBeLessThanOrEqual(65_536 + 100)
    expect(bytes).toBeGreaterThan(50_000)
  })

  it('lose their oldest lines first when they exceed the limit', () => {
    const [first, second] = [1, 2]
    const notes = new TaskNotes(new KeptLogs(), 100)
    for (const attempt of [first, second]) {
      for (let index = 0; index < 30; index++) notes.logged(attempt, line('x'.repeat(800)))
    }
    for (let index = 0; index < 50; index++) notes.logged(3, line('x'.repeat(800)))
    expect(messagesOf(notes, 3)).toHaveLength(50)
    expect(logsOf(notes, first)).toEqual({ lines: [], dropped: 30 })
    expect(messagesOf(notes, second)?.length).toBeGreaterThan(20)
  })

  it('lose the older line of a quiet task to the newer lines of a concurrent task, and the record counts it', () => {
    const kept = new KeptLogs()
    const [quiet, loud] = [new TaskNotes(kept, 100), new TaskNotes(kept, 1000)]
    quiet.logged(1, line('started'))
    for (let index = 0; index < 500; index++) loud.logged(1, line('x'.repeat(800)))
    expect(logsOf(quiet)).toEqual({ lines: [], dropped: 1 })
  })

  it('are replaced by the number of discarded lines if the storage rejects them', () => {
    expect(new KeptLogs().refuse()).toBe(false)
    const kept = new KeptLogs()
    const notes = new TaskNotes(kept, 100)
    notes.logged(1, line('a'))
    expect(kept.refuse()).toBe(true)
    notes.logged(1, line('b'))
    expect(logsOf(notes)).toEqual({ lines: [], dropped: 1 })
  })
})
