// npm run pack -- FOLDER: builds all published packages, and packs them into a new folder with a bill of materials.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { workspacePackages } from '../runner/packages.mjs'
import { runPnpm } from '../runner/pnpm.mjs'
import { readJson, root } from '../runner/repository.mjs'
import { capture } from '../runner/run-process.mjs'
import { conclude, runSteps } from '../runner/run-steps.mjs'

await main(async ([folder]) => {
  if (folder === undefined) throw new Error('Name a new folder for the tarballs: npm run pack -- FOLDER')
  const target = resolve(folder)
  mkdirSync(target)
  await install()
  const building = await runSteps([build()], { concurrency: 1 })
  if (building.some(({ failed }) => failed > 0)) return conclude(building)
  for (const { publishable, folder: source } of workspacePackages()) {
    if (!publishable) continue
    const exitCode = await runPnpm(['pack', '--pack-destination', target], { cwd: source })
    if (exitCode !== 0) return exitCode
  }
  writeFileSync(join(target, 'sbom.cdx.json'), await billOfMaterials(target))
  return 0
})

/**
 * Returns a bill of materials of the packages and their dependencies, as an empty project installs them, in CycloneDX
 * format.
 * @param {string} target
 * @returns {Promise<string>}
 */
async function billOfMaterials(target) {
  const project = mkdtempSync(join(tmpdir(), 'jobistemer-project-'))
  try {
    const { version } = readJson(join(root, 'packages/core/package.json'))
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'jobistemer', version, private: true }))
    const tarballs = readdirSync(target).map((name) => join(target, name))
    await npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs], project)
    const bill = await npm(['sbom', '--sbom-format', 'cyclonedx', '--loglevel', 'error'], project)
    const parsed = JSON.parse(bill)
    // npm's output names the path of each tarball on this machine. This function removes these paths.
    for (const component of parsed.components) {
      component.externalReferences = component.externalReferences.filter(
        (/** @type {{ url: string }} */ { url }) => !url.startsWith('file:'),
      )
    }
    return JSON.stringify(parsed, null, 2)
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

/**
 * Runs npm and returns its output.
 * @param {string[]} args
 * @param {string} cwd
 * @returns {Promise<string>}
 */
async function npm(args, cwd) {
  const { exitCode, output } = await capture('npm', args, { cwd })
  if (exitCode !== 0) throw new Error(`npm ${args[0]} failed:\n${output}`)
  return output
}
