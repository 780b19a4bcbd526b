import { completionUsage, readCompletionOptions } from './completion-options.ts'
import { tortureCompletions } from './completions.ts'
import { printCompletions, printStage } from './print-completions.ts'

const saidEvery = 10_000

/** npm run torture -- completions [options]. Returns the exit code. @throws TypeError if an option is wrong */
export async function runCompletions(args: readonly string[]): Promise<number> {
  const options = readCompletionOptions(args)
  if (options === null) {
    console.log(completionUsage())
    return 0
  }
  let said = 0
  const report = await tortureCompletions(options, (soFar) => {
    const { tries } = soFar.tally
    if (tries < said + saidEvery && soFar.violations.length === 0) return
    said = tries - (tries % saidEvery)
    console.log(`[${soFar.seconds.toFixed(1).padStart(6)} s] ${printStage(soFar)}`)
    for (const line of soFar.violations.slice(0, 5)) console.log(`  ${line}`)
  })
  console.log(printCompletions(report))
  return report.violations.length > 0 ? 1 : 0
}
