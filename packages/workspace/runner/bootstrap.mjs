import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, complaint } from './outcome.mjs'
import { workspacePackages } from './packages.mjs'
import { capturePnpm, pinnedPnpm, rememberPnpm, runPnpm } from './pnpm.mjs'
import { cacheFolder, root } from './repository.mjs'

const installStamp = join(cacheFolder, 'installed')
const modulesStamp = join(cacheFolder, 'node-modules-version')

/**
 * Installs the dependencies exactly as the lockfile states them. Does nothing when the last install was made from the
 * same lockfile and manifests. Uses Node's own modules only, since it is what runs first in a fresh clone.
 */
export async function install() {
  const wanted = installFingerprint()
  const installed = existsSync(join(root, 'node_modules', '.modules.yaml'))
  if (!installed || read(installStamp) !== wanted) {
    console.log(`Installing dependencies with ${pinnedPnpm} …`)
    await mustSucceed(['install', '--frozen-lockfile', '--prefer-offline', '--config.confirm-modules-purge=false'])
  }
  // A native addon is compiled for one version of Node's module interface; after a change of Node it has to be again.
  if (installed && existsSync(modulesStamp) && read(modulesStamp) !== process.versions.modules) {
    console.log(`Rebuilding native dependencies for Node ${process.versions.node} …`)
    await mustSucceed(['rebuild', '--recursive'])
  }
  mkdirSync(cacheFolder, { recursive: true })
  writeFileSync(installStamp, wanted)
  writeFileSync(modulesStamp, process.versions.modules)
  await rememberPnpm()
}

/**
 * The step that builds packages in the order of their dependencies, those that did not change from turbo's cache.
 * @param {readonly string[]} [packages] names; these and all that they depend on. Default: every package
 */
export function build(packages = []) {
  const filters = packages.map((name) => `--filter=${name}...`)
  return check('build', async () =>
    complaint(await capturePnpm(['exec', 'turbo', 'run', 'build', '--output-logs=errors-only', ...filters])),
  )
}

/** A digest of everything that decides what an install produces. */
export function installFingerprint(top = root) {
  const manifests = workspacePackages(top).map(({ path }) => `${path}/package.json`)
  const digest = createHash('sha256')
  for (const file of ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml', ...manifests]) {
    digest
      .update(`${file}\0`)
      .update(read(join(top, file)))
      .update('\0')
  }
  return digest.digest('hex')
}

/** @param {string} file */
function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

/** @param {readonly string[]} args */
async function mustSucceed(args) {
  const exitCode = await runPnpm(args)
  if (exitCode !== 0) throw new Error(`pnpm ${args[0]} ended with exit code ${exitCode}; what it said is above.`)
}
