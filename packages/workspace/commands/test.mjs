// npm test [-- NAME…]: install, build, every check, then the tests of every package and example.
// With names: only the tests of the packages whose name contains one of them.
import { allChecks } from '../checks/all-checks.mjs'
import { cleanTree, gitStatus } from '../checks/clean-tree.mjs'
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { packageTests } from '../runner/package-tests.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { runSteps, summary } from '../runner/run-steps.mjs'

await main(async (names) => {
  const before = await gitStatus()
  await install()
  await build()
  const chosen = workspacePackages().filter(
    ({ name }) => names.length === 0 || names.some((part) => name.includes(part)),
  )
  if (chosen.length === 0) throw new Error(`No package's name contains ${names.join(' or ')}.`)
  const outcomes = await runSteps([...(names.length === 0 ? allChecks() : []), ...chosen.map(packageTests)], {
    concurrency: 2,
  })
  // Elsewhere than in CI somebody may be editing files while the tests run.
  if (process.env.CI) outcomes.push(...(await runSteps([cleanTree(before)], { concurrency: 1 })))
  console.log(`\n${summary(outcomes)}`)
  return outcomes.some(({ failed }) => failed > 0) ? 1 : 0
})
