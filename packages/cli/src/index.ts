export { type CliConfig, defineConfig } from './config.ts'
export { exitCodes } from './exit-codes.ts'
export type { Input, Io, Output } from './io.ts'
export { main } from './main.ts'
