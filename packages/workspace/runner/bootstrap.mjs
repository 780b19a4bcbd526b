import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, complaint } from './outcome.mjs'
import { workspacePackages } from './packages.mjs'
import { capturePnpm, compilerEnvironment, pinnedPnpm, rememberPnpm, runPnpm } from './pnpm.mjs'
import { cacheFolder, root } from './repository.mjs'

const installStamp = join(cacheFolder, 'installed')
const modulesStamp = join(cacheFolder, 'node-modules-version')

/**
 * Installs the dependencies of the lockfile. Does nothing if lockfile and manifests have not changed since the last install.
 * Uses only modules of Node.js, because this code runs first in a fresh clone.
 */
export async function install() {
  const wanted = installFingerprint()
  const installed = existsSync(join(root, 'node_modules', '.modules.yaml'))
  if (!installed || read(installStamp) !== wanted) {
    console.log(`Installing dependencies with ${pinnedPnpm} …`)
    await mustSucceed(['install', '--frozen-lockfile', '--prefer-offline', '--config.confirm-modules-purge=false'])
  }
  // Native addons are compiled for one version of Node's module interface, so a change of Node.js requires a rebuild.
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
 * Returns the step that builds packages in the order of their dependencies. Turbo's cache provides unchanged packages.
 * @param {readonly string[]} [packages] names; these and all their dependencies. Default: every package
 */
export function build(packages = []) {
  const filters = packages.map((name) => `--filter=${name}...`)
  return check('build', async () =>
    complaint(
      await capturePnpm(['exec', 'turbo', 'run', 'build', '--output-logs=errors-only', ...filters], {
        env: compilerEnvironment,
      }),
    ),
  )
}

/** Returns a digest of all inputs of an install. */
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
  if (exitCode !== 0) throw new Error(`pnpm ${args[0]} ended with exit code ${exitCode}; its output is above.`)
}
