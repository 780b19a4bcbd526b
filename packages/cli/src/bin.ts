#!/usr/bin/env node
import { exitCodes } from './exit-codes.ts'
import { processIo } from './io.ts'
import { main } from './main.ts'
import { Printer } from './output/printer.ts'
import { stylesOf } from './output/styles.ts'
import { printError, type ReportedError } from './report-error.ts'

const argv = process.argv.slice(2)
const streams = [process.stdout, process.stderr]
let problem: NodeJS.ErrnoException | null = null
for (const stream of streams) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // EPIPE: the reader of the output has closed the pipe, as in `| head`. The command still completes its work.
    if (error.code !== 'EPIPE') problem ??= error
  })
}

function report(error: Omit<ReportedError, 'field'>): void {
  const printer = new Printer(process.stderr, { isJson: argv.includes('--json'), styles: stylesOf(false) })
  printError(printer, { ...error, field: null }, { stack: undefined })
}

/** Reports that a user's module ended the process, or that nothing is left that could settle an awaited promise. */
function reportEarlyExit(exitCode: number): void {
  process.exitCode = exitCodes.usage
  report({
    code: 'ENDED_EARLY',
    message: `The process ended before the command did, with exit code ${exitCode}.`,
    remedy:
      'Look in the modules that the command loads for a call of process.exit() and for an await that never settles.',
    exitCode: exitCodes.usage,
  })
}

process.on('exit', reportEarlyExit)
const code = await main(argv, processIo())
process.off('exit', reportEarlyExit)
await Promise.all(streams.map((stream) => new Promise((resolve) => stream.write('', resolve))))
const lost = problem as NodeJS.ErrnoException | null
const exitCode = lost !== null && code === exitCodes.fine ? exitCodes.unwritten : code
if (lost !== null) {
  report({
    code: 'OUTPUT_UNWRITTEN',
    message: `The output could not be written: ${lost.message}.`,
    remedy: code === exitCodes.fine ? 'The command has done its work.' : null,
    exitCode,
  })
  await new Promise((resolve) => process.stderr.write('', resolve))
}
// Exits explicitly, because an abandoned storage connection can keep the process alive for seconds.
process.exit(exitCode)
