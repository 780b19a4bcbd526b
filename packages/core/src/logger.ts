/** What Jobistemer logs to: `console` and a pino logger both fit. Fields come first, as pino wants them. */
export interface Logger {
  /** Steps of no interest while all is well. */
  debug(fields: object, message: string): void
  /** Starts, stops and changes. */
  info(fields: object, message: string): void
  /** What the engine copes with, and people should know. */
  warn(fields: object, message: string): void
  /** What should not happen: a schedule, a hook or a storage that fails. */
  error(fields: object, message: string): void
}

const ignore = (): void => undefined

/** Logs nothing: the default. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
