// npm run check: install, build, and every check without the tests.
import { allChecks } from '../checks/all-checks.mjs'
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { runSteps, summary } from '../runner/run-steps.mjs'

await main(async () => {
  await install()
  await build()
  const outcomes = await runSteps(allChecks(), { concurrency: 2 })
  console.log(`\n${summary(outcomes)}`)
  return outcomes.some(({ failed }) => failed > 0) ? 1 : 0
})
