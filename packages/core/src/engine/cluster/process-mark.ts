import { readFileSync, readlinkSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import type { JsonObject } from '../../json.ts'

/**
 * Identifies the process of a node, so that nodes on the same machine can check whether it lives. Elsewhere (not on Linux,
 * on another machine, in another container) the mark proves nothing.
 */
export interface ProcessMark extends JsonObject {
  /** One boot of one machine, and the namespace of process ids. */
  readonly machine: string
  readonly pid: number
  /** Start of the process, in ticks of the machine: process ids are reused. */
  readonly began: string
  /** Thread of the process, as `worker_threads` counts them. */
  readonly thread: number
}

/** Incarnations that live in this thread. `globalThis` is per thread: each worker thread has a set of its own. */
const livingHere: Set<string> = inProcess('jobistemer.incarnations', () => new Set())

/** Returns the mark of this process; `null` if this platform does not identify processes for certain. */
export function ownProcessMark(): ProcessMark | null {
  const began = beganAt(process.pid)
  const machine = machineMark()
  return began === null || machine === null ? null : { machine, pid: process.pid, began, thread: threadId }
}

/** Notes that an incarnation lives in this thread, until the caller calls the returned function. */
export function livesHere(incarnation: string): () => void {
  livingHere.add(incarnation)
  return () => livingHere.delete(incarnation)
}

/**
 * Returns whether an incarnation lives, by the mark in its node record. `null`: unknown. An incarnation in another process on
 * this machine counts as alive while that process lives. Of this process, only the incarnations of this thread are known.
 */
export function lives(incarnation: string, mark: unknown): boolean | null {
  if (livingHere.has(incarnation)) return true
  const own = ownProcessMark()
  if (own === null || !isMark(mark) || mark.machine !== own.machine) return null
  if (mark.pid === own.pid && mark.began === own.began) return mark.thread === own.thread ? false : null
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

/** Start of a process; `null` if it does not exist, or is a zombie. */
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

/** Returns one value for all copies of this package in this thread. */
function inProcess<T>(key: string, make: () => T): T {
  const store = globalThis as unknown as Record<symbol, T | undefined>
  const symbol = Symbol.for(key)
  const value = store[symbol] ?? make()
  store[symbol] = value
  return value
}
