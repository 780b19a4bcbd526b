import type { Client } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import type { Io } from './io.ts'
import type { Printer } from './output/printer.ts'
import type { Times } from './output/times.ts'
import type { Session } from './session.ts'

/** The objects that a command receives: the client, the storage, printers, and the global options. */
export interface Context {
  readonly io: Io
  readonly session: Session
  readonly out: Printer
  /** Writes progress and questions to stderr. */
  readonly err: Printer
  readonly times: Times
  /** `true` if the user enters instants in UTC. Applies only to instants without an offset. */
  readonly isUtc: boolean
  /** Fires when the user presses Ctrl-C. */
  readonly signal: AbortSignal
  /** The options for each call of the client: a signal that fires at Ctrl-C. */
  readonly call: { readonly signal: AbortSignal }
  /** All commands of the program. The command `completion` writes them into a shell script. */
  readonly commands: readonly ListedCommand[]
  /** Returns the present time in epoch milliseconds. */
  now(): number
  client(): Promise<Client>
  storage(): Promise<Storage>
}

/** A command-line option of a command: its flags, description, default value and parser. */
export interface CommandOption {
  /** The flags of the option in the syntax of commander: `-n, --limit <count>`. */
  readonly flags: string
  readonly description: string
  readonly default?: unknown
  readonly choices?: readonly string[]
  /**
   * Converts the text of the option to its value. For a repeated option, `earlier` is the value so far.
   * @throws CliError that names the option
   */
  readonly parse?: (text: string, earlier: unknown) => unknown
}

/** A command of the program: its arguments, its options and its function. */
export interface Command {
  /** The arguments of the command in the syntax of commander: `<name> [instant]`. */
  readonly arguments?: string
  readonly description: string
  readonly options?: readonly CommandOption[]
  /** Example command lines without the program's name, each with a sentence about its effect. */
  readonly examples: readonly (readonly [string, string])[]
  /** Explains words of the command's output, as a separate section of the command's help. */
  readonly words?: { readonly title: string; readonly meanings: Readonly<Record<string, string>> }
  /** The meaning of exit code 1 for this command. Absent if the command never exits with 1. */
  readonly exitsWithNo?: string
  /** `true`: the command needs no configuration file, so the program does not load one. */
  readonly readsNoConfig?: true
  /**
   * `true`: the command creates the tables of the storage in an existing SQLite file that has no tables. All other commands then
   * end with an error, because such a file is probably not the file of the schedulers.
   */
  readonly createsTables?: true
  /** Runs the command. Returns the exit code; a value that is not a number means success. */
  run(context: Context, args: readonly never[], options: never): Promise<unknown>
}

/**
 * The name and summary of a command, for lists. The program loads the rest of a command only when it calls the command.
 */
export interface ListedCommand {
  readonly name: string
  readonly summary: string
  readonly group: string
  readonly load: () => Promise<Command>
}
