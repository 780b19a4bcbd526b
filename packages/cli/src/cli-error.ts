import { exitCodes } from './exit-codes.ts'

/** The code and message of a {@link CliError}, and its optional field, remedy and exit code. */
export interface CliErrorOptions {
  /** The stable error code, in capital letters. */
  readonly code: string
  /** One sentence that names the subject and the problem of the error. */
  readonly message: string
  /** The command-line option, argument or configuration member that caused the error. */
  readonly field?: string
  /** One sentence that tells the user how to resolve the error. */
  readonly remedy?: string
  /** The exit code of the program. Default: `exitCodes.usage`. */
  readonly exitCode?: number
  readonly cause?: unknown
}

/**
 * An error that the program reports to its user by message and remedy. The program prints the stack only with
 * `--debug`.
 */
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
