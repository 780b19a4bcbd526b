import { readFileSync, readlinkSync } from 'node:fs'
import type { JsonObject } from '../../../json.ts'

/**
 * Which process a node is, as others on its machine can check. Where that cannot be told for certain (not on Linux,
 * another machine, another container), nobody draws a conclusion from it.
 */
export interface ProcessMark extends JsonObject {
  /** One boot of one machine, and the space that process ids are counted in. */
  readonly machine: string
  readonly pid: number
  /** When the process began, in ticks of the machine: ids of processes are used again. */
  readonly began: string
}

/** Incarnations that live in this very process. */
const livingHere: Set<string> = inProcess('jobistemer.incarnations', () => new Set())

/** `null` where a process cannot be told from others for certain. */
export function ownProcessMark(): ProcessMark | null {
  const began = beganAt(process.pid)
  const machine = machineMark()
  return began === null || machine === null ? null : { machine, pid: process.pid, began }
}

/** The scheduler of this incarnation lives in this process, until the returned function is called. */
export function livesHere(incarnation: string): () => void {
  livingHere.add(incarnation)
  return () => livingHere.delete(incarnation)
}

/** Whether the process of another life of a node is gone, or lives: `null` when that cannot be told. */
export function lives(incarnation: string, mark: unknown): boolean | null {
  if (livingHere.has(incarnation)) return true
  const own = ownProcessMark()
  if (own === null || !isMark(mark) || mark.machine !== own.machine) return null
  if (mark.pid === own.pid && mark.began === own.began) return false
  return beganAt(mark.pid) === mark.began
}

function isMark(mark: unknown): mark is ProcessMark {
  return typeof mark === 'object' && mark !== null && 'machine' in mark && 'pid' in mark && 'began' in mark
}

function machineMark(): string | null {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return null
  }
}

/** `null` for a process that is not there, or that has ended and was not waited for by its parent. */
function beganAt(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the name of the program, which may contain anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null)
  } catch {
    return null
  }
}

/** One for all copies of this package in the process. */
function inProcess<T>(key: string, make: () => T): T {
  const store = globalThis as unknown as Record<symbol, T | undefined>
  const symbol = Symbol.for(key)
  const value = store[symbol] ?? make()
  store[symbol] = value
  return value
}
