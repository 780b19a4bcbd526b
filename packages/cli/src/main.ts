import { setMaxListeners } from 'node:events'
import { type Command as Commander, CommanderError, type Option } from 'commander'
import { CliError } from './cli-error.ts'
import type { Command, Context } from './command.ts'
import { commandList } from './command-list.ts'
import { exitCodes } from './exit-codes.ts'
import type { Io, Output } from './io.ts'
import { Printer } from './output/printer.ts'
import { stylesOf, wantsColor } from './output/styles.ts'
import { Times } from './output/times.ts'
import { type GlobalOptions, storageTimeoutMs } from './global-options.ts'
import { buildProgram } from './program.ts'
import { printError, reportOf } from './report-error.ts'
import { Session } from './session.ts'

/**
 * Reads a command line, runs its command, and returns the exit code. Never throws.
 * @param argv the arguments, without the name of the program.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const interruption = new AbortController()
  // Turns off the warning about more than 10 listeners: each concurrent storage call adds a listener.
  setMaxListeners(0, interruption.signal)
  const stopListening = io.onInterrupt(() => interruption.abort())
  let code: number = exitCodes.fine
  // `--json`, `--color` and `--debug` also apply to errors in the command line. So the program reads these options before
  // commander parses the command line.
  let options: Pick<GlobalOptions, 'json' | 'color' | 'debug'> = {
    ...(argv.includes('--json') && { json: true }),
    ...(argv.includes('--no-color') && { color: false }),
    ...(argv.includes('--debug') && { debug: true }),
  }
  const printerTo = (output: Output): Printer => {
    const styles = stylesOf(options.json !== true && wantsColor(output, io, options.color))
    return new Printer(output, { isJson: options.json === true, styles })
  }
  let session: Session | undefined
  try {
    const names = new Set(argv.filter((word) => commandList.some(({ name }) => name === word)))
    const program = await buildProgram(names, async (command, args, given) => {
      options = given
      session = sessionOf(command, given, io)
      code = await runCommand(command, args, given, session, io, interruption.signal, printerTo)
    })
    const hasColors = wantsColor(io.stdout, io, options.color)
    for (const one of [program, ...program.commands]) {
      one.exitOverride().configureOutput({
        writeOut: (text) => io.stdout.write(text),
        writeErr: () => undefined,
        outputError: () => undefined,
        getOutHelpWidth: () => io.stdout.columns ?? 100,
        getOutHasColors: () => hasColors,
      })
    }
    if (argv.length === 0) io.stdout.write(program.helpInformation())
    await program.parseAsync(withDistances(argv, program), { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) code = exitCodes.fine
    else {
      const reported = reportOf(
        error instanceof CommanderError ? usageError(error) : error,
        interruption.signal.aborted,
      )
      printError(printerTo(io.stderr), reported, { stack: options.debug === true ? error : undefined })
      code = reported.exitCode
    }
  } finally {
    // Closes the storage after the error is printed, because a close may take long.
    await session?.close()
    stopListening()
  }
  return code
}

/** Moves a relative instant such as `-2h` behind `--`, so that commander does not read it as an option. */
function withDistances(argv: readonly string[], program: Commander): readonly string[] {
  const global = valuesIn(argv, program.options)
  const name = argv.find((word, index) => !word.startsWith('-') && !global.has(index))
  const command = program.commands.find((one) => one.name() === name)
  if (command === undefined || (name !== 'explain' && name !== 'cancel-slot') || argv.includes('--')) return argv
  const values = valuesIn(argv, [...program.options, ...command.options])
  const isDistance = (index: number) => /^-\d/.test(argv[index] as string) && !values.has(index)
  const distances = argv.filter((_, index) => isDistance(index))
  return distances.length === 0 ? argv : [...argv.filter((_, index) => !isDistance(index)), '--', ...distances]
}

/** Returns the indexes of the words that are values of options. */
function valuesIn(argv: readonly string[], options: readonly Option[]): ReadonlySet<number> {
  const flags = new Set(options.flatMap((option) => (option.required ? [option.short, option.long] : [])))
  return new Set(argv.flatMap((word, index) => (flags.has(word) ? [index + 1] : [])))
}

/** Returns the session of a command. The session opens nothing before the command needs it. */
function sessionOf(command: Command, options: GlobalOptions, io: Io): Session {
  const { storage, prefix, timeout = storageTimeoutMs, wait } = options
  const config = command.readsNoConfig === true ? false : options.config
  const timeoutMs = wait === true ? storageTimeoutMs : timeout
  return new Session(io, { storage, config, prefix, timeoutMs, createsTables: command.createsTables === true })
}

async function runCommand(
  command: Command,
  args: readonly (string | undefined)[],
  options: GlobalOptions,
  session: Session,
  io: Io,
  signal: AbortSignal,
  printerTo: (output: Output) => Printer,
): Promise<number> {
  const clock = await session.clock()
  const loaded = await session.config()
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone
  const shown = options.utc === true ? 'UTC' : (options.timezone ?? loaded.config.timezone ?? own)
  const context: Context = {
    io,
    session,
    out: printerTo(io.stdout),
    err: printerTo(io.stderr),
    times: new Times({ timezone: shown, now: () => clock.now() }),
    isUtc: options.utc === true,
    signal,
    call: { signal },
    commands: commandList,
    now: () => clock.now(),
    client: () => session.client(),
    storage: () => session.storage(),
  }
  const answer = await command.run(context, args as readonly never[], options as never)
  return typeof answer === 'number' ? answer : exitCodes.fine
}

/** Converts commander's error about an invalid command line to a CliError. */
function usageError(error: CommanderError): CliError {
  // Without a command, the message of commander is only `(outputHelp)`.
  const said = error.code === 'commander.help' ? 'No command is given' : error.message
  const [first = '', ...others] = said.replace(/^error: /, '').split('\n')
  const hint = others.join(' ').replace(/^\((.*)\)$/, '$1')
  return new CliError({
    code: 'USAGE',
    message: `${first.charAt(0).toUpperCase()}${first.slice(1).replace(/\.$/, '')}.`,
    remedy: hint === '' ? 'Run jobistemer --help, or jobistemer COMMAND --help.' : hint,
    cause: error,
  })
}
