#!/usr/bin/env node
import { exitCodes } from './exit-codes.ts'
import { processIo } from './io.ts'
import { main } from './main.ts'

const streams = [process.stdout, process.stderr]
let problem: NodeJS.ErrnoException | null = null
for (const stream of streams) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // EPIPE: the reader of the output has closed the pipe, as in `| head`. The command still completes its work.
    if (error.code !== 'EPIPE') problem ??= error
  })
}

const code = await main(process.argv.slice(2), processIo())
await Promise.all(streams.map((stream) => new Promise((resolve) => stream.write('', resolve))))
const lost = problem as NodeJS.ErrnoException | null
if (lost !== null) {
  const done = code === exitCodes.fine ? ' The command has done its work.' : ''
  const text = `The output could not be written: ${lost.message}.${done}\n`
  await new Promise((resolve) => process.stderr.write(text, resolve))
}
// Exits explicitly, because an abandoned storage connection can keep the process alive for seconds.
process.exit(lost !== null && code === exitCodes.fine ? exitCodes.unwritten : code)
