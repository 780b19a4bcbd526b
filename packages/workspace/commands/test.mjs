// npm test [-- NAME…]: install, build, see to the servers, every check, then the tests of every package and example.
// With names: only the tests of the packages whose name contains one of them.
import { allChecks } from '../checks/all-checks.mjs'
import { cleanTree, gitStatus } from '../checks/clean-tree.mjs'
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { longestFirst, needsTests, packageTests } from '../runner/package-tests.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { needsServers, testServers } from '../runner/test-servers.mjs'
import { conclude, runSteps } from '../runner/run-steps.mjs'

await main(async (names) => {
  const chosen = workspacePackages()
    .filter(needsTests)
    .filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)))
  if (chosen.length === 0) throw new Error(`No package's name contains ${names.join(' or ')}.`)
  const before = await gitStatus()
  await install()
  const building = await runSteps([build(names.length === 0 ? [] : chosen.map(({ name }) => name))], {
    concurrency: 1,
  })
  if (building.some(({ failed }) => failed > 0)) return conclude(building)
  const servers = await runSteps(chosen.some(needsServers) ? [testServers()] : [], { concurrency: 1 })
  if (servers.some(({ failed }) => failed > 0)) return conclude([...building, ...servers])
  const checks = names.length === 0 ? allChecks() : []
  const { long, short } = longestFirst(chosen)
  const steps = [...long.map(packageTests), ...checks, ...short.map(packageTests)]
  const outcomes = await runSteps(steps, { concurrency: 2 })
  // Elsewhere than in CI somebody may be editing files while the tests run.
  const aftermath = process.env.CI ? await runSteps([cleanTree(before)], { concurrency: 1 }) : []
  return conclude([...building, ...servers, ...outcomes, ...aftermath])
})
