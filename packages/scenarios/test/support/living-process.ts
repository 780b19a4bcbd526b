import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** Whether the system has the directory `/proc` of Linux. Elsewhere these functions start `ps`, at 20 ms per call. */
const hasProc = existsSync('/proc/self/stat')

/** Returns the state of a process as `ps` shows it; `null` if the process has ended or is a zombie. */
export function stateOf(pid: number): string | null {
  if (hasProc) {
    const state = statOf(pid)?.state
    return state === undefined || state === 'Z' || state === 'X' ? null : state
  }
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
  if (hasProc) return statOf(pid)?.parent ?? Number.NaN
  return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }))
}

/** Reads the state and the parent of a process from `/proc`; `undefined` if no such process exists. */
function statOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  const text = read(`/proc/${pid}/stat`)
  // The name of the program stands in parentheses and may contain any character.
  const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return state === undefined || text === '' ? undefined : { state, parent: Number(parent) }
}

/** Reads a file of a process; an empty text if the process has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Returns how many living starter processes a process has started. */
export function startersOf(pid: number): number {
  if (hasProc) {
    const others = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
    return others.filter(
      (other) =>
        statOf(other)?.parent === pid &&
        stateOf(other) !== null &&
        read(`/proc/${other}/cmdline`).includes('isolated/starter.js'),
    ).length
  }
  const list = execFileSync('ps', ['-o', 'stat=,args=', '--ppid', String(pid)], { encoding: 'utf8' })
  return list.split('\n').filter((line) => line.includes('isolated/starter.js') && !line.startsWith('Z')).length
}

/** Resolves when the process has ended. The wait has no timeout of its own; the test has one. */
export async function gone(pid: number): Promise<void> {
  while (stateOf(pid) !== null) await delay(10)
}
