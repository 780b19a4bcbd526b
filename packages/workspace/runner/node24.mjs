import { delimiter, dirname, join } from 'node:path'
import { npx } from './pnpm.mjs'
import { capture } from './run-process.mjs'

/**
 * Returns Node 24 from the npm packages of Node.js, without an installation on this machine.
 *
 * Compiled with the headers of Node 24.19 or later, better-sqlite3 12 aborts the process during garbage collection
 * (nodejs/node issue 65446). If it is compiled with earlier headers, it runs under every 24.x. So the versions differ
 * by system:
 *
 * - On Linux, the last version before 24.19 compiles the addon, and the newest 24 runs the tests.
 * - On other systems, the npm packages have no headers, and the last version before 24.19 runs the tests too.
 * @returns {Promise<{ program: string, env: NodeJS.ProcessEnv }>} the program, and an environment in which it is `node`
 */
export async function node24() {
  const onLinux = process.platform === 'linux'
  const name = onLinux ? `node-linux-${process.arch}` : 'node'
  const lastGood = await programOf(`${name}@>=24 <24.19`)
  const program = onLinux ? await programOf(`${name}@24`) : lastGood
  return {
    program,
    env: {
      ...process.env,
      PATH: `${dirname(program)}${delimiter}${process.env.PATH ?? ''}`,
      npm_config_build_from_source: 'true',
      // Turns off pnpm's cache of compiled addons. Otherwise pnpm could install an addon that was compiled with other
      // headers, or store this addon for other projects.
      npm_config_side_effects_cache: 'false',
      ...(onLinux && { npm_config_nodedir: join(dirname(lastGood), '..') }),
    },
  }
}

/**
 * Returns the path of the Node.js program in an npm package, which npx installs.
 * @param {string} specifier the package with its version
 * @returns {Promise<string>}
 */
async function programOf(specifier) {
  const [command, ...args] = npx()
  const { exitCode, output } = await capture(command, [
    ...args,
    '-y',
    '-p',
    specifier,
    'node',
    '-p',
    'process.execPath',
  ])
  if (exitCode !== 0) throw new Error(`npx could not provide ${specifier}:\n${output}`)
  return output.trim().split('\n').at(-1) ?? ''
}
