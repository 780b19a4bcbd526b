#!/usr/bin/env node
import { processIo } from './io.ts'
import { main } from './main.ts'

for (const stream of [process.stdout, process.stderr]) {
  // Whoever reads has enough (`| head`), and there is nobody to tell anything to. What was begun is done all the same.
  stream.on('error', () => undefined)
}

process.exitCode = await main(process.argv.slice(2), processIo())
