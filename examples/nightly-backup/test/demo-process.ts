import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url))

export interface DemoProcess {
  readonly child: ChildProcess
  output(): string
  /** Resolves to the match when the output matches the pattern. */
  said(pattern: RegExp): Promise<RegExpExecArray>
  /** Resolves to the exit code of the demo. */
  readonly ended: Promise<number | null>
  /** Ends the demo if it is running. */
  stop(): Promise<void>
}

/** Starts the demo like a user, in a separate process group. */
export function startDemo(...args: readonly string[]): DemoProcess {
  const { INIT_CWD: _, ...env } = process.env
  const child = spawn(process.execPath, [program, ...args], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const said = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(output)
        if (found !== null) resolve(found)
      }
      child.stdout.on('data', look)
      child.on('close', () => reject(new Error(`The demo ended without saying ${pattern}:\n${output}`)))
      look()
    })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const stop = async () => {
    // Sends SIGTERM and not SIGKILL, because the demo must stop its server.
    child.kill('SIGTERM')
    await ended
  }
  return { child, output: () => output, said, ended, stop }
}

export function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0)
  } catch {
    return false
  }
}
