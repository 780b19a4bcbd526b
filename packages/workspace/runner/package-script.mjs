import { build, install } from './bootstrap.mjs'
import { workspacePackages } from './packages.mjs'
import { runPnpm } from './pnpm.mjs'

/**
 * Installs, builds what a package needs, and runs a script of that package on the user's terminal. The script runs in
 * the package's folder. `INIT_CWD` contains the user's folder, to which relative file names refer.
 * @param {{ path: string, script: string, args: readonly string[] }} options path relative to the top folder
 * @returns {Promise<number>} the script's exit code
 */
export async function runPackageScript({ path, script, args }) {
  const found = workspacePackages().find((candidate) => candidate.path === path)
  if (found === undefined) throw new Error(`There is no package in ${path}.`)
  if (found.manifest.scripts?.[script] === undefined)
    throw new Error(`${path}/package.json has no \`${script}\` script.`)
  await install()
  const built = await build([found.name]).run()
  if (built.failed > 0) throw new Error(`The build failed:\n${built.details}`)
  return runPnpm(['--silent', '--dir', found.folder, 'run', script, ...args], {
    cwd: process.env.INIT_CWD ?? process.cwd(),
  })
}
