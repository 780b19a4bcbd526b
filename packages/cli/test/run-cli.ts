import type { Clock } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { type Io, main } from '../src/index.ts'
import { assertDocument } from './schemas.ts'

/** What the program did. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** How it is called. */
export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** What its clock says: a fixed instant, or a clock; `null`: the machine's. */
  readonly now?: string | Clock | null
  /** Input and output are a terminal with this number of columns. */
  readonly terminal?: number
  readonly input?: string
  /** Without --utc. */
  readonly isLocal?: boolean
  /** Receives the function that interrupts the program. */
  readonly interruptible?: (interrupt: () => void) => void
  /** Receives each written text. */
  readonly onWrite?: (text: string) => void
}

/** Requests of one instant have ids by chance, and two calls are not to have the same. */
let calls = 0

/** The program in this process. A JSON document that it writes is compared with the published schema of the command. */
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
