import { runCompletions } from './completions/run-completions.ts'
import { hostTime } from './record/host-time.ts'
import { printReport } from './report/print-report.ts'
import { torture } from './torture.ts'
import { readTortureOptions, tortureUsage } from './torture-options.ts'

// npm run torture -- [completions] [options]: exits with 1 after a violation, with 2 after a wrong command line.

async function main(): Promise<number> {
  const args = process.argv.slice(2)
  if (args[0] === 'completions') return await runCompletions(args.slice(1))
  const options = readTortureOptions(args, () => String(Math.trunc(hostTime().wall)))
  if (options === null) {
    console.log(tortureUsage())
    return 0
  }
  const begin = hostTime().mono
  const onProgress = (text: string) => {
    console.log(`[${((hostTime().mono - begin) / 1000).toFixed(1).padStart(6)} s] ${text}`)
  }
  console.log(`seed ${options.seed}`)
  const report = await torture(options, { onProgress })
  console.log(printReport(report))
  return report.violations.length > 0 ? 1 : 0
}

// `process.exit` emits the event `exit`. The listeners of this event end all node processes.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

try {
  process.exitCode = await main()
} catch (error) {
  console.error(error instanceof TypeError ? error.message : error)
  process.exitCode = 2
}
