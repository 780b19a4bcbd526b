// npm run check: installs, builds, and runs every check, without the tests.
import { allChecks } from '../checks/all-checks.mjs'
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { conclude, runSteps } from '../runner/run-steps.mjs'

await main(async () => {
  await install()
  const building = await runSteps([build()], { concurrency: 1 })
  if (building.some(({ failed }) => failed > 0)) return conclude(building)
  return conclude([...building, ...(await runSteps(allChecks(), { concurrency: 2 }))])
})
