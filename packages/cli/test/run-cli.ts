import type { Clock } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { type Io, main } from '../src/index.ts'
import { assertDocument } from './schemas.ts'

/** The exit code and outputs of a CLI call in this process. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** The options of a CLI call in this process. */
export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** The clock of the CLI: a fixed instant, or a `Clock`. `null`: the machine's clock. */
  readonly now?: string | Clock | null
  /** Number of columns of the simulated terminal. Absent: input and output are not a terminal. */
  readonly terminal?: number
  readonly input?: string
  /** `true`: runs the command without the option `--utc`. Default: adds `--utc`. */
  readonly isLocal?: boolean
  /** Receives the function that simulates Ctrl-C. */
  readonly interruptible?: (interrupt: () => void) => void
  /** Receives each text that the CLI writes. */
  readonly onWrite?: (text: string) => void
}

/**
 * Number of CLI calls so far. The virtual clock of each call has this number as its seed, and random ids derive from the
 * seed. With equal seeds, two calls at the same instant would give their requests equal ids.
 */
let calls = 0

/** Runs the CLI in this process, and checks its JSON documents against the published schemas. */
export async function runCli(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd = '/', env = {}, now = '2026-01-02T12:30:00Z', terminal, input, interruptible, onWrite } = options
  let out = ''
  let err = ''
  const tty = terminal === undefined ? {} : { isTTY: true, columns: terminal }
  const io: Io = {
    cwd,
    env,
    stdin: {
      isTTY: terminal !== undefined,
      async *[Symbol.asyncIterator]() {
        if (input !== undefined) yield input
        else await new Promise(() => undefined)
      },
    },
    stdout: {
      ...tty,
      write: (text) => {
        out += text
        onWrite?.(text)
      },
    },
    stderr: {
      ...tty,
      write: (text) => {
        err += text
        onWrite?.(text)
      },
    },
    ...(now !== null && { clock: typeof now === 'string' ? virtualClock(now, { seed: ++calls }) : now }),
    onInterrupt: (listener) => {
      interruptible?.(listener)
      return () => undefined
    },
  }
  const code = await main(options.isLocal === true ? argv : [...argv, '--utc'], io)
  if (argv.includes('--json')) {
    if (out !== '') assertDocument(argv[0] as string, JSON.parse(out))
    if (err !== '') assertDocument('error', JSON.parse(err))
  }
  return { code, out, err }
}
