import { describe, expect, it } from 'vitest'
import { AttemptLog, KeptLogs } from '../src/engine/execution/kept-logs.ts'
import type { LogLineRecord } from '../src/storage/occurrence-record.ts'

const line = (message: string): LogLineRecord => ({ at: 0, level: 'info', message })
const messagesOf = (log: AttemptLog) => log.toRecord()?.lines.map(({ message }) => message)
const bytesOf = (...logs: readonly AttemptLog[]) => Buffer.byteLength(JSON.stringify(logs.map((log) => log.toRecord())))

describe('the kept log lines of an attempt', () => {
  it('are the last lines of the attempt, with the number of discarded earlier lines', () => {
    const log = new AttemptLog(new KeptLogs(), 3)
    for (const text of ['a', 'b', 'c', 'd', 'e']) log.add(line(text))
    expect(log.toRecord()).toEqual({ lines: ['c', 'd', 'e'].map(line), dropped: 2 })
  })

  it('do not change in an earlier snapshot when a line is added', () => {
    const log = new AttemptLog(new KeptLogs(), 2)
    log.add(line('a'))
    const before = log.toRecord()
    log.add(line('b'))
    log.add(line('c'))
    expect(before).toEqual({ lines: [line('a')], dropped: 0 })
  })

  it('continue after the lines that an earlier owner of the run stored', () => {
    const log = new AttemptLog(new KeptLogs(), 2, { lines: [line('a'), line('b')], dropped: 5 })
    expect(log.toRecord()).toEqual({ lines: [line('a'), line('b')], dropped: 5 })
  })
})

describe('the kept logs of one occurrence', () => {
  it('have at most 65,536 bytes of JSON, whatever the handlers log', () => {
    const kept = new KeptLogs()
    const logs = [new AttemptLog(kept, 1000), new AttemptLog(kept, 1000)]
    // The character U+0001 takes six bytes in JSON. So 400 lines of 1,000 such characters far exceed the limit of 65,536 bytes.
    for (let index = 0; index < 200; index++) for (const log of logs) log.add(line('\u0001'.repeat(1000)))
    expect(bytesOf(...logs)).toBeLessThanOrEqual(65_536 + 100)
    expect(bytesOf(...logs)).toBeGreaterThan(50_000)
  })

  it('lose the lines of earlier attempts first when they exceed the limit', () => {
    const kept = new KeptLogs()
    const [first, second, third] = [new AttemptLog(kept, 100), new AttemptLog(kept, 100), new AttemptLog(kept, 100)]
    for (const log of [first, second]) for (let index = 0; index < 30; index++) log.add(line('x'.repeat(800)))
    first.isSuperseded = second.isSuperseded = true
    for (let index = 0; index < 50; index++) third.add(line('x'.repeat(800)))
    expect(third.toRecord()?.lines).toHaveLength(50)
    expect(messagesOf(first)).toEqual([])
    expect(messagesOf(second)?.length).toBeGreaterThan(20)
  })

  it('leave space for each concurrent task, however many lines the tasks log', () => {
    const kept = new KeptLogs()
    const [quiet, loud] = [new AttemptLog(kept, 100), new AttemptLog(kept, 1000)]
    quiet.add(line('started'))
    for (let index = 0; index < 500; index++) loud.add(line('x'.repeat(800)))
    expect(messagesOf(quiet)).toEqual(['started'])
  })

  it('are replaced by the number of discarded lines if the storage rejects them', () => {
    const kept = new KeptLogs()
    const log = new AttemptLog(kept, 100)
    expect(kept.refuse()).toBe(false)
    log.add(line('a'))
    expect(kept.refuse()).toBe(true)
    expect(log.toRecord()).toEqual({ lines: [], dropped: 1 })
    expect(kept.isKeeping).toBe(false)
  })
})
