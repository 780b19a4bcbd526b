// npm run rehearse [-- --managers npm,bun --nodes 20,24 --storages sqlite]: publishes all packages to a private
// registry on this machine, and uses them as an empty project does. `--built` skips the install and the build.
// See packages/workspace/README.md.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { keepAddon, withPrebuilt } from '../rehearse/addon.mjs'
import { addPackages, buildsAddon, managerNames, nodeOf } from '../rehearse/managers.mjs'
import { publishAll } from '../rehearse/publish.mjs'
import { runReadme } from '../rehearse/readme.mjs'
import { startRegistry } from '../rehearse/registry.mjs'
import { storageNames, upgradeAndBack } from '../rehearse/upgrade.mjs'
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { check } from '../runner/outcome.mjs'
import { root } from '../runner/repository.mjs'
import { conclude, runSteps } from '../runner/run-steps.mjs'
import { testServers } from '../runner/test-servers.mjs'

/** @import { Manager, NodeRelease } from '../rehearse/managers.mjs' */

const oldVersion = '0.1.0'
const newVersion = '0.2.0'
const own = ['core', 'ticker-cron', 'storage-sqlite', 'storage-redis', 'storage-postgres', 'storage-dynamodb']
const clients = ['ioredis', 'pg', '@aws-sdk/client-dynamodb']

await main(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      managers: { type: 'string' },
      nodes: { type: 'string' },
      storages: { type: 'string' },
      built: { type: 'boolean', default: false },
    },
  })
  const managers = /** @type {Manager[]} */ (choose('managers', values.managers, managerNames))
  const nodes = choose('nodes', values.nodes, ['20', '22', '24'])
  const storages = choose('storages', values.storages, storageNames)
  if (!values.built) await install()
  const before = await runSteps(values.built ? [] : [build(), testServers()], { concurrency: 1 })
  if (before.some(({ failed }) => failed > 0)) return conclude(before)
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-rehearsal-'))
  const registry = await startRegistry(folder)
  try {
    const outcomes = [...before, ...(await runSteps([publishing(folder, registry.url)], { concurrency: 1 }))]
    for (const major of outcomes.some(({ failed }) => failed > 0) ? [] : nodes) {
      for (const manager of managers) {
        const name = `${manager} on Node ${major}`
        const node = await withPrebuilt(await nodeOf(major))
        const projects = join(folder, name.replaceAll(' ', '-'))
        const installing = check(`${name}: install`, async () => {
          for (const version of [oldVersion, newVersion]) {
            await newProject(join(projects, version), { version, manager, node, registry: registry.url, folder })
          }
          return undefined
        })
        const installed = await runSteps([installing], { concurrency: 1 })
        outcomes.push(...installed)
        if (installed.some(({ failed }) => failed > 0)) continue
        const [oldProject, newer] = [join(projects, oldVersion), join(projects, newVersion)]
        const steps = storages.map((storage) =>
          check(`${name}: upgrade on ${storage}`, async () => {
            const result = await upgradeAndBack(storage, { folder, node, oldProject, newProject: newer })
            console.log(`  ${name}, ${storage}: ${result}`)
            return undefined
          }),
        )
        const readme = check(`${name}: program of the README`, async () => {
          await runReadme({ project: oldProject, node })
          return undefined
        })
        outcomes.push(...(await runSteps([readme, ...steps], { concurrency: 2 })))
        rmSync(projects, { recursive: true, force: true })
      }
    }
    return conclude(outcomes)
  } finally {
    await registry.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})

/**
 * @param {string} folder
 * @param {string} registry
 */
function publishing(folder, registry) {
  return check(`publish ${oldVersion} and ${newVersion}`, async () => {
    mkdirSync(join(folder, 'packages'))
    await publishAll(join(folder, 'packages'), registry, [oldVersion, newVersion])
    return undefined
  })
}

/**
 * Creates an empty project and adds the packages to it.
 * @param {string} project
 * @param {{ version: string, manager: Manager, node: NodeRelease, registry: string, folder: string }} options
 */
async function newProject(project, { version, manager, node, registry, folder }) {
  mkdirSync(project, { recursive: true })
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'rehearsal', private: true, type: 'module', ...buildsAddon }),
  )
  copyFileSync(join(root, 'packages/workspace/rehearse/project/node.mjs'), join(project, 'node.mjs'))
  const packages = [...own.map((name) => `@jobistemer/${name}@${version}`), ...clients]
  await addPackages(manager, packages, { cwd: project, node, registry, cache: join(folder, 'cache') })
  await keepAddon(join(project, 'node_modules/@jobistemer/storage-sqlite'), node.program)
}

/**
 * @param {string} option
 * @param {string | undefined} value
 * @param {readonly string[]} all
 */
function choose(option, value, all) {
  const chosen = value?.split(',') ?? all
  const unknown = chosen.filter((name) => !all.includes(name))
  if (unknown.length > 0) throw new Error(`--${option} accepts ${all.join(', ')}, but not ${unknown.join(', ')}.`)
  return chosen
}
