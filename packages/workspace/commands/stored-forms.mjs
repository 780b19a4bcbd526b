// npm run stored-forms -- VERSION: writes the stored form of a version that is not released yet, as fixtures of each storage.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { readJson, root } from '../runner/repository.mjs'
import { runInForeground } from '../runner/run-process.mjs'
import { conclude, runSteps } from '../runner/run-steps.mjs'

const test = 'test/stored-forms.test.ts'

await main(async ([version]) => {
  const { version: present } = readJson(join(root, 'packages/core/package.json'))
  if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
    throw new Error('Give the version for which to write fixtures: npm run stored-forms -- 0.2.0')
  }
  const isPrerelease = present.startsWith(`${version}-`)
  if (!isPrerelease && present.localeCompare(version, 'en', { numeric: true }) >= 0) {
    throw new Error(`Version ${version} is released, so its fixtures are frozen. The present version is ${present}.`)
  }
  await install()
  const storages = workspacePackages().filter(({ folder }) => existsSync(join(folder, test)))
  const building = await runSteps([build(storages.map(({ name }) => name))], { concurrency: 1 })
  if (building.some(({ failed }) => failed > 0)) return conclude(building)
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  for (const { folder } of storages) {
    const env = { ...process.env, JOBISTEMER_WRITE_STORED_FORM: version }
    const exitCode = await runInForeground(process.execPath, [vitest, 'run', test], { cwd: folder, env })
    if (exitCode !== 0) return exitCode
  }
  return 0
})
