import { constants } from 'node:os'
import { JobistemerError } from '@jobistemer/core'
import { runDemo } from './demo.ts'
import { createDemoFolder } from './demo-folder.ts'
import { type CommandLine, readCommandLine, usage } from './options.ts'
import { Screen } from './screen.ts'
import { checkUserDatabase } from './user-database.ts'

/** A signal, such as Ctrl-C, stopped the demo. */
class Interruption extends Error {
  readonly exitCode: number

  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`The demo was ended by ${signal}.`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  let commandLine: CommandLine
  try {
    // Run through a package manager, this process has another current folder than its user.
    commandLine = readCommandLine(args, process.env.INIT_CWD ?? process.cwd())
  } catch (error) {
    return refuse(error, usage)
  }
  if (commandLine.kind === 'help') {
    console.log(usage)
    return 0
  }
  const { options } = commandLine
  try {
    if (options.database !== null) checkUserDatabase(options.database)
  } catch (error) {
    return refuse(error)
  }
  const controller = new AbortController()
  interruptOnSignals(controller)
  // The reader of the output may close the pipe: `npm run demo | head`.
  process.stdout.on('error', (error) => controller.abort(error))
  const screen = new Screen(process.stdout, process.env)
  const started = performance.now()
  let folder: ReturnType<typeof createDemoFolder>
  try {
    folder = createDemoFolder(options.folder)
  } catch (error) {
    return refuse(error)
  }
  let exitCode = 1
  try {
    const good = await runDemo({ options, folder, screen, signal: controller.signal })
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    screen.say(good ? `All checks hold. Took ${seconds} s.` : 'A check does not hold: see above.')
    if (good) exitCode = 0
  } catch (error) {
    // A stopping part may throw other errors before it ends.
    const reason = controller.signal.aborted ? controller.signal.reason : error
    screen.say('', reason instanceof Error ? reason.message : String(reason))
    if (reason instanceof Interruption) exitCode = reason.exitCode
    else if (isRefusal(reason)) exitCode = 2
  }
  screen.say(`Everything is in ${folder.path}: remove that folder when you have seen enough.`)
  return exitCode
}

/** Something that the user gave cannot be used, which shows only when it is tried. */
function isRefusal(error: unknown): boolean {
  return JobistemerError.isInstance(error, 'INVALID_ARGUMENT') && error.field?.startsWith('--') === true
}

/** The first signal shuts the demo down, a later one ends it at once. Nodes and server end with it in both cases. */
function interruptOnSignals(controller: AbortController): void {
  let firstAt = Number.POSITIVE_INFINITY
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const interruption = new Interruption(signal)
      // One Ctrl-C can arrive several times: from the terminal, and from the package manager that passes it on.
      if (performance.now() - firstAt > 1000) process.exit(interruption.exitCode)
      firstAt = Math.min(firstAt, performance.now())
      controller.abort(interruption)
    })
  }
}

/** A wrong option or input: says what is wrong with it. Anything else is a defect, and is shown as one. */
function refuse(error: unknown, hint?: string): number {
  if (!JobistemerError.isInstance(error)) throw error
  console.error(error.message)
  if (hint !== undefined) console.error(`\n${hint}`)
  return 2
}
