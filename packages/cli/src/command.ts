import type { Client } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import type { Io } from './io.ts'
import type { Printer } from './output/printer.ts'
import type { Times } from './output/times.ts'
import type { Session } from './session.ts'

/** The context of a command. */
export interface Context {
  readonly io: Io
  readonly session: Session
  readonly out: Printer
  /** Writes progress and questions to stderr. */
  readonly err: Printer
  readonly times: Times
  /** Instants without an offset are in UTC. */
  readonly isUtc: boolean
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal
  /** For each call of the client. */
  readonly call: { readonly signal: AbortSignal }
  /** All commands, for `completion`. */
  readonly commands: readonly ListedCommand[]
  /** Epoch milliseconds. */
  now(): number
  client(): Promise<Client>
  storage(): Promise<Storage>
}

/** An option of a command. */
export interface CommandOption {
  /** As commander writes it: `-n, --limit <count>`. */
  readonly flags: string
  readonly description: string
  readonly default?: unknown
  readonly choices?: readonly string[]
  /** @throws CliError naming the option */
  readonly parse?: (text: string, earlier: unknown) => unknown
}

/** A command: its arguments, its options and its function. */
export interface Command {
  /** As commander writes it: `<name> [instant]`. */
  readonly arguments?: string
  readonly description: string
  readonly options?: readonly CommandOption[]
  /** Command lines without the program's name, and what each does. */
  readonly examples: readonly (readonly [string, string])[]
  /** Words of the command's output and their meanings: a separate section of the command's help. */
  readonly words?: { readonly title: string; readonly meanings: Readonly<Record<string, string>> }
  /** The meaning of exit code 1, if the command can exit with it. */
  readonly exitsWithNo?: string
  /** The command loads no configuration. */
  readonly readsNoConfig?: true
  /** Returns the exit code; a value that is not a number means success. */
  run(context: Context, args: readonly never[], options: never): Promise<unknown>
}

/** A command as the list of commands shows it. The program loads the rest when it calls the command. */
export interface ListedCommand {
  readonly name: string
  readonly summary: string
  readonly group: string
  readonly load: () => Promise<Command>
}
