import { exitCodes } from './exit-codes.ts'

/** What a {@link CliError} is made of. */
export interface CliErrorOptions {
  /** Stable, in capitals. */
  readonly code: string
  /** One sentence: what is wrong with what. */
  readonly message: string
  /** The option, argument or member of the configuration that is wrong. */
  readonly field?: string
  /** What to do about it. */
  readonly remedy?: string
  /** Default: wrong usage. */
  readonly exitCode?: number
  readonly cause?: unknown
}

/** An error of this program, for people to read: no stack of it is ever shown unless they ask. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: string
  readonly field: string | undefined
  readonly remedy: string | undefined
  readonly exitCode: number

  constructor(options: CliErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = options.code
    this.field = options.field
    this.remedy = options.remedy
    this.exitCode = options.exitCode ?? exitCodes.usage
  }
}
