import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const bin = fileURLToPath(new URL('../dist/bin.js', import.meta.url))

/** The exit code and outputs of an ended CLI process. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A running process of the CLI, or of a shell in which `jobistemer` is the CLI. */
export interface Started {
  readonly child: ChildProcess
  /** Returns everything that the process has written to its standard output so far. */
  out(): string
  readonly ended: Promise<Ended>
}

/** Starts the program as it is installed. `cwd`: by default the folder of this process. */
export function startCli(argv: readonly string[], env: Readonly<Record<string, string>> = {}, cwd?: string): Started {
  return start(process.execPath, [bin, ...argv], env, cwd)
}

interface ShellOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly terminal?: boolean
  readonly cwd?: string
}

/** Starts a shell command line in which `jobistemer` is the CLI; optionally on a separate terminal. */
export function startShell(line: string, { env = {}, terminal = false, cwd }: ShellOptions = {}): Started {
  const script = `jobistemer() { '${process.execPath}' '${bin}' "$@"; }; ${line}`
  // `script` of util-linux runs its command on a real terminal.
  if (terminal)
    return start('script', ['-qefc', `bash -c ${quoted(`stty cols 120; ${script}`)}`, '/dev/null'], env, cwd)
  return start('bash', ['-o', 'pipefail', '-c', script], env, cwd)
}

function start(program: string, argv: readonly string[], env: Readonly<Record<string, string>>, cwd?: string): Started {
  const { FORCE_COLOR: _, NO_COLOR: __, JOBISTEMER_STORAGE: ___, ...inherited } = process.env
  const child = spawn(program, argv, {
    env: { ...inherited, TERM: 'xterm', ...env },
    stdio: 'pipe',
    ...(cwd !== undefined && { cwd }),
  })
  let out = ''
  let err = ''
  child.stdout?.on('data', (chunk) => {
    out += chunk
  })
  child.stderr?.on('data', (chunk) => {
    err += chunk
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out, err }))
  })
  return { child, out: () => out, ended }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
