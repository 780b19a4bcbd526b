import { allChecks } from '../checks/all-checks.mjs'
import { cleanTree, gitStatus } from '../checks/clean-tree.mjs'
import { build, install } from './bootstrap.mjs'
import { longestFirst, needsTests, packageTests } from './package-tests.mjs'
import { workspacePackages } from './packages.mjs'
import { conclude, runSteps } from './run-steps.mjs'
import { needsServers, testServers } from './test-servers.mjs'

/** @import { Step } from './outcome.mjs' */

/**
 * Installs the dependencies, builds the packages, and finds or installs the servers that the tests need. Then runs every check
 * and the tests of every package and example. If `names` is not empty, runs no checks, and tests only the packages whose name
 * contains one of the names.
 * @param {readonly string[]} names
 * @param {readonly Step[]} [more] steps that run at the end
 * @returns {Promise<number>} the exit code
 */
export async function testRun(names, more = []) {
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
  // On two processors, the tests of four packages run at once, because they often wait for servers, processes and deadlines.
  const tests = await runSteps([...long.map(packageTests), ...checks, ...short.map(packageTests)], { concurrency: 4 })
  const afterwards = await runSteps(more, { concurrency: 2 })
  // The check that no file has changed runs only in CI, because developers may edit files while the tests run.
  const aftermath = process.env.CI ? await runSteps([cleanTree(before)], { concurrency: 1 }) : []
  return conclude([...building, ...servers, ...tests, ...afterwards, ...aftermath])
}
