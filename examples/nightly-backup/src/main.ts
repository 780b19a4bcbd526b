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
    // A package manager may run this process in a folder other than the user's. `INIT_CWD` is the user's folder.
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
  // The reader of the output may close the pipe, as in `npm run demo | head`. The demo then stops.
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
    // While the demo stops after Ctrl-C or another signal, its parts may throw further errors. The demo then prints the
    // reason of the stop, and not one of these errors.
    const reason = controller.signal.aborted ? controller.signal.reason : error
    screen.say('', reason instanceof Error ? reason.message : String(reason))
    if (reason instanceof Interruption) exitCode = reason.exitCode
    else if (isRefusal(reason)) exitCode = 2
  }
  screen.say(`Everything is in ${folder.path}: remove that folder when you have seen enough.`)
  return exitCode
}

/** Returns whether the error reports an unusable value of a command-line option. */
function isRefusal(error: unknown): boolean {
  return JobistemerError.isInstance(error, 'INVALID_ARGUMENT') && error.field?.startsWith('--') === true
}

/** The first signal shuts the demo down; a later signal ends it at once. In both cases the nodes and the server end too. */
function interruptOnSignals(controller: AbortController): void {
  let firstAt = Number.POSITIVE_INFINITY
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const interruption = new Interruption(signal)
      // One Ctrl-C can arrive several times, from the terminal and from the package manager. So the demo ignores
      // further signals for 1 s.
      if (performance.now() - firstAt > 1000) process.exit(interruption.exitCode)
      firstAt = Math.min(firstAt, performance.now())
      controller.abort(interruption)
    })
  }
}

/** Prints the message for a wrong option or input. Any other error is a defect, and is thrown again. */
function refuse(error: unknown, hint?: string): number {
  if (!JobistemerError.isInstance(error)) throw error
  console.error(error.message)
  if (hint !== undefined) console.error(`\n${hint}`)
  return 2
}
