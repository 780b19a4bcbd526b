#!/usr/bin/env node
import { processIo } from './io.ts'
import { main } from './main.ts'

const streams = [process.stdout, process.stderr]
// Whoever reads has enough (`| head`), and there is nobody to tell anything to. What was begun is done all the same.
for (const stream of streams) stream.on('error', () => undefined)

const code = await main(process.argv.slice(2), processIo())
await Promise.all(streams.map((stream) => new Promise((resolve) => stream.write('', resolve))))
// A connection that was given up can keep a process for seconds.
process.exit(code)
