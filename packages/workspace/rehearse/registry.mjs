import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { cacheFolder } from '../runner/repository.mjs'
import { capture } from '../runner/run-process.mjs'

/**
 * The last version of Verdaccio that supports Node 20. It is installed outside of the workspace, so that the lockfile
 * does not contain the 300 packages that it needs.
 */
const verdaccio = '6.8.0'

/**
 * Starts a private registry on this machine. It contains the packages that are published to it. It forwards requests
 * for other packages to the registry that npm is configured to use.
 * @param {string} folder an empty folder for its data
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
export async function startRegistry(folder) {
  const program = await verdaccioProgram()
  const upstream = (await mustCapture('npm', ['config', 'get', 'registry'])).trim()
  const port = await freePort()
  const config = join(folder, 'config.yaml')
  const rights = { access: '$all', publish: '$all' }
  writeFileSync(
    config,
    JSON.stringify({
      storage: join(folder, 'storage'),
      uplinks: { upstream: { url: upstream, maxage: '1h', timeout: '60s' } },
      packages: { '@jobistemer/*': rights, '**': { access: '$all', proxy: 'upstream' } },
      log: { type: 'stdout', format: 'pretty', level: 'error' },
      max_body_size: '50mb',
    }),
  )
  const url = `http://127.0.0.1:${port}/`
  const child = spawn(process.execPath, [program, '--config', config, '--listen', url.slice(0, -1)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const ended = once(child, 'exit')
  process.once('exit', () => child.kill())
  for (const deadline = performance.now() + 60_000; !(await answers(url)); ) {
    if (child.exitCode !== null || performance.now() > deadline)
      throw new Error('The private registry does not answer.')
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return {
    url,
    async stop() {
      child.kill()
      await ended
    },
  }
}

async function verdaccioProgram() {
  const folder = join(cacheFolder, `verdaccio-${verdaccio}`)
  const program = join(folder, 'node_modules', 'verdaccio', 'bin', 'verdaccio')
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  // Replaces the version of node-fetch that Verdaccio requires, because that version has a known vulnerability.
  const manifest = { private: true, dependencies: { verdaccio }, overrides: { 'node-fetch': '^2.7.0' } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  await mustCapture('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
  return program
}

/** @param {string} url */
async function answers(url) {
  try {
    return (await fetch(`${url}-/ping`)).ok
  } catch {
    return false
  }
}

/** @returns {Promise<number>} */
function freePort() {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = /** @type {import('node:net').AddressInfo} */ (server.address())
      server.close(() => resolve(address.port))
    })
  })
}

/**
 * Runs a command and returns its output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string>}
 * @throws Error if the command fails
 */
export async function mustCapture(command, args, options) {
  const { exitCode, output } = await capture(command, args, options)
  if (exitCode !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${output}`)
  return output
}
