import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'

/** Returns the state of a process as `ps` shows it; `null` if the process has ended or is a zombie. */
export function stateOf(pid: number): string | null {
  try {
    const state = execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return state === '' || state.startsWith('Z') ? null : state
  } catch {
    // `ps` fails if it finds no such process.
    return null
  }
}

/** Returns the process id of the parent of a living process. */
export function parentOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }))
}

/** Returns how many living starter processes a process has started. */
export function startersOf(pid: number): number {
  const list = execFileSync('ps', ['-o', 'stat=,args=', '--ppid', String(pid)], { encoding: 'utf8' })
  return list.split('\n').filter((line) => line.includes('isolated/starter.js') && !line.startsWith('Z')).length
}

/** Resolves when the process has ended. The wait has no timeout of its own; the test has one. */
export async function gone(pid: number): Promise<void> {
  while (stateOf(pid) !== null) await delay(10)
}
