import type { Client } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import type { Io } from './io.ts'
import type { Printer } from './output/printer.ts'
import type { Times } from './output/times.ts'
import type { Session } from './session.ts'

/** What a command works with. */
export interface Context {
  readonly io: Io
  readonly session: Session
  readonly out: Printer
  /** For people, beside the answer: progress and questions. */
  readonly err: Printer
  readonly times: Times
  /** Instants without an offset are in UTC. */
  readonly isUtc: boolean
  /** Fires when somebody wants the program to end. */
  readonly signal: AbortSignal
  /** For each call of the client. */
  readonly call: { readonly signal: AbortSignal }
  /** All commands, for the one that writes of them. */
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

/** A command: what it takes, and what it does. */
export interface Command {
  /** As commander writes it: `<name> [instant]`. */
  readonly arguments?: string
  readonly description: string
  readonly options?: readonly CommandOption[]
  /** Command lines without the program's name, and what each does. */
  readonly examples: readonly (readonly [string, string])[]
  /** Words of its output, and what each means, under a title of their own in its help. */
  readonly words?: { readonly title: string; readonly meanings: Readonly<Record<string, string>> }
  /** What its exit code 1 says, when it can be. */
  readonly exitsWithNo?: string
  /** No configuration is loaded for it. */
  readonly readsNoConfig?: true
  /** Answers the exit code; what is no number: fine. `args` and `options` are as the command's own lists say. */
  run(context: Context, args: readonly never[], options: never): Promise<unknown>
}

/** A command as the list of all shows it; the rest is loaded when it is called. */
export interface ListedCommand {
  readonly name: string
  readonly summary: string
  readonly group: string
  readonly load: () => Promise<Command>
}
