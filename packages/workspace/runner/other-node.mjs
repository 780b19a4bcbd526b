import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { npx } from './pnpm.mjs'
import { capture } from './run-process.mjs'

/**
 * Another major version of Node, as the npm packages of Node provide it: nothing is installed on this machine.
 * @param {number} major
 * @returns {Promise<{ program: string, env: NodeJS.ProcessEnv }>} the program, and an environment in which it is `node`
 */
export async function otherNode(major) {
  // On Linux the package for one processor is the whole distribution, with the headers that native addons are compiled
  // against; elsewhere node-gyp fetches the headers by itself.
  const name = process.platform === 'linux' ? `node-linux-${process.arch}` : 'node'
  const [command, ...args] = npx()
  const { exitCode, output } = await capture(command, [
    ...args,
    '-y',
    '-p',
    `${name}@${major}`,
    'node',
    '-p',
    'JSON.stringify([process.versions.node, process.execPath])',
  ])
  if (exitCode !== 0) throw new Error(`npx could not provide Node ${major}:\n${output}`)
  const [version, program] = JSON.parse(output.trim().split('\n').at(-1) ?? '')
  if (!version.startsWith(`${major}.`)) throw new Error(`npx provided Node ${version} instead of Node ${major}.`)
  const distribution = join(dirname(program), '..')
  const headers = existsSync(join(distribution, 'include', 'node', 'node.h'))
  return {
    program,
    env: {
      ...process.env,
      PATH: `${dirname(program)}${delimiter}${process.env.PATH ?? ''}`,
      ...(headers && { npm_config_nodedir: distribution }),
    },
  }
}
