import { delimiter, dirname, join } from 'node:path'
import { node24 } from '../runner/node24.mjs'
import { npx, pinnedPnpm } from '../runner/pnpm.mjs'
import { mustCapture } from './registry.mjs'

/** For each package manager: its npm package, and its command that adds packages. npm comes with Node.js. */
const managers = {
  npm: { specifier: null, add: ['npm', 'install', '--no-audit', '--no-fund'] },
  pnpm: { specifier: pinnedPnpm, add: ['pnpm', 'add'] },
  yarn: { specifier: '@yarnpkg/cli-dist@4', add: ['yarn', 'add'] },
  bun: { specifier: 'bun@1', add: ['bun', 'add'] },
}

/** @typedef {keyof typeof managers} Manager */

export const managerNames = /** @type {Manager[]} */ (Object.keys(managers))

/** Manifest fields that allow each package manager to run the install script of the native addon. */
export const buildsAddon = {
  pnpm: { onlyBuiltDependencies: ['better-sqlite3'] },
  trustedDependencies: ['better-sqlite3'],
  dependenciesMeta: { 'better-sqlite3': { built: true } },
}

/**
 * Adds packages to a project.
 * @param {Manager} manager
 * @param {readonly string[]} packages
 * @param {{ cwd: string, node: NodeRelease, registry: string, cache: string }} options
 */
export async function addPackages(manager, packages, { cwd, node, registry, cache }) {
  const { specifier, add } = managers[manager]
  const [command = '', ...args] = add
  const programs = specifier === null ? [] : [await programsOf(specifier)]
  await mustCapture(command, [...args, ...packages], {
    cwd,
    env: {
      ...node.env,
      PATH: [dirname(node.program), ...programs, process.env.PATH].join(delimiter),
      npm_config_registry: registry,
      // The caches are new, because this machine's cache may have packages of an earlier rehearsal with the same versions.
      npm_config_cache: join(cache, 'npm'),
      npm_config_store_dir: join(cache, 'pnpm'),
      npm_config_cache_dir: join(cache, 'pnpm-metadata'),
      BUN_INSTALL_CACHE_DIR: join(cache, 'bun'),
      YARN_GLOBAL_FOLDER: join(cache, 'yarn'),
      YARN_NPM_REGISTRY_SERVER: registry,
      YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
      YARN_NODE_LINKER: 'node-modules',
      YARN_ENABLE_SCRIPTS: '1',
      YARN_ENABLE_IMMUTABLE_INSTALLS: '0',
      YARN_NPM_MINIMAL_AGE_GATE: '0',
      YARN_ENABLE_TELEMETRY: '0',
    },
  })
}

/**
 * @typedef {object} NodeRelease
 * @property {string} program
 * @property {NodeJS.ProcessEnv} env an environment in which native addons are compiled for this Node
 */

/**
 * Returns a Node.js of a major version: the Node.js that runs this command, or a release from npm.
 * @param {string} major
 * @returns {Promise<NodeRelease>}
 */
export async function nodeOf(major) {
  const { npm_config_user_agent: _, ...env } = process.env
  if (process.versions.node.startsWith(`${major}.`)) return { program: process.execPath, env }
  if (major === '24') return await node24()
  const name = process.platform === 'linux' ? `node-linux-${process.arch}` : 'node'
  const program = await lastLine(['-p', `${name}@${major}`, 'node', '-p', 'process.execPath'])
  return { program, env: { ...env, npm_config_nodedir: join(dirname(program), '..') } }
}

/** Returns the folder with the programs of an npm package. @param {string} specifier the package */
function programsOf(specifier) {
  return lastLine(['-p', specifier, 'node', '-p', 'process.env.PATH.split(require("path").delimiter)[0]'])
}

/** Runs npx and returns the last line of its output. @param {readonly string[]} args */
async function lastLine(args) {
  const [command, ...before] = npx()
  return (await mustCapture(command, [...before, '-y', ...args])).trim().split('\n').at(-1) ?? ''
}
