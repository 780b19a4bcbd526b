import { exitCodes } from './exit-codes.ts'

/** The parts of a {@link CliError}. */
export interface CliErrorOptions {
  /** Stable, in capitals. */
  readonly code: string
  /** One sentence that names the subject and the problem. */
  readonly message: string
  /** The option, argument or member of the configuration that is wrong. */
  readonly field?: string
  /** What the user can do. */
  readonly remedy?: string
  /** Default: wrong usage. */
  readonly exitCode?: number
  readonly cause?: unknown
}

/** An error of this program for its user. The program shows its stack only with --debug. */
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
