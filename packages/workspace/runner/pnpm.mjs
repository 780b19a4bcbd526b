import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder, readJson, root } from './repository.mjs'
import { capture, runInForeground } from './run-process.mjs'

/** The pinned pnpm, as the root package.json states it, for example `pnpm@10.34.8`. */
export const pinnedPnpm = /** @type {string} */ (readJson(join(root, 'package.json')).packageManager)

const rememberedLocation = join(cacheFolder, 'pnpm-location')

/** @type {Promise<string> | undefined} */
let located

/**
 * Returns the program file of the pinned pnpm. If this machine does not have it, npx downloads it. Later runs remember its
 * location, because a call of npx takes over a second.
 * @returns {Promise<string>}
 */
function pnpmProgram() {
  located ??= locate()
  return located
}

async function locate() {
  const remembered = existsSync(rememberedLocation) ? readFileSync(rememberedLocation, 'utf8') : ''
  if (isPinned(remembered)) return remembered
  const printer = fileURLToPath(new URL('./print-pnpm-location.mjs', import.meta.url))
  const [command, ...args] = npx()
  const result = await capture(command, [...args, '-y', '-p', pinnedPnpm, 'node', printer, pinnedPnpm])
  const found = result.output.trim().split('\n').at(-1) ?? ''
  if (result.exitCode !== 0 || !isPinned(found)) {
    throw new Error(`npx could not provide ${pinnedPnpm}:\n${result.output}`)
  }
  return found
}

/** Stores pnpm's location for the next run. Called after the install, which creates `node_modules`. */
export async function rememberPnpm() {
  mkdirSync(cacheFolder, { recursive: true })
  writeFileSync(rememberedLocation, await pnpmProgram())
}

/** @param {string} program */
function isPinned(program) {
  if (program === '' || !existsSync(program)) return false
  const manifest = readJson(join(dirname(program), '..', 'package.json'))
  return `pnpm@${manifest.version}` === pinnedPnpm
}

/**
 * Returns the command line of npx. On Windows, Node.js cannot start `npx` as a program. So if npm started this command,
 * the function returns npm's file `npx-cli.js`, which Node.js can run.
 * @returns {[string, ...string[]]}
 */
export function npx() {
  const npm = process.env.npm_execpath
  const sibling = npm === undefined ? undefined : join(dirname(npm), 'npx-cli.js')
  return sibling !== undefined && existsSync(sibling) ? [process.execPath, sibling] : ['npx']
}

/**
 * Returns the environment of all programs that the commands start. pnpm is on the PATH, where turbo expects it, and
 * telemetry and update checks are off.
 * @param {NodeJS.ProcessEnv} [additions]
 * @returns {Promise<NodeJS.ProcessEnv>}
 */
async function toolEnvironment(additions = {}) {
  const shims = join(dirname(await pnpmProgram()), '..', '..', '.bin')
  return {
    ...process.env,
    PATH: `${shims}${delimiter}${process.env.PATH ?? ''}`,
    DO_NOT_TRACK: '1',
    TURBO_TELEMETRY_DISABLED: '1',
    TURBO_NO_UPDATE_NOTIFIER: '1',
    ...additions,
  }
}

/**
 * Runs pnpm and returns its output without colors.
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number }} [options]
 */
export async function capturePnpm(args, { env, ...options } = {}) {
  const { FORCE_COLOR: _, ...plain } = await toolEnvironment({ NO_COLOR: '1', ...env })
  return capture(process.execPath, [await pnpmProgram(), ...args], { ...options, env: plain })
}

/**
 * The environment of the TypeScript compiler, without garbage collection. Collection takes a third of the processor time
 * of a short run, and saves only 50 MB of 400 MB.
 */
export const compilerEnvironment = { GOGC: 'off' }

/**
 * Runs a script of a package's manifest without pnpm, whose start takes longer than many scripts. Returns its output without
 * colors.
 * @param {{ folder: string, manifest: Record<string, any> }} workspacePackage
 * @param {string} script its name
 * @param {readonly string[]} [args] added to it
 * @param {{ env?: NodeJS.ProcessEnv, timeoutMs?: number }} [options]
 */
export async function captureScript({ folder, manifest }, script, args = [], { env, ...options } = {}) {
  const { FORCE_COLOR: _, ...plain } = await toolEnvironment({ NO_COLOR: '1', ...env })
  const programs = [folder, root].map((top) => join(top, 'node_modules', '.bin'))
  const line = [manifest.scripts[script], ...args.map((arg) => JSON.stringify(arg))].join(' ')
  return capture(line, [], {
    ...options,
    cwd: folder,
    shell: true,
    // Tests that pack packages find pnpm by the variable `npm_execpath`.
    env: { ...plain, PATH: [...programs, plain.PATH].join(delimiter), npm_execpath: await pnpmProgram() },
  })
}

/**
 * Runs a program of a package on which `packages/workspace` depends, and returns its output without colors.
 * @param {string} packageName
 * @param {string} program as it is called on a command line
 * @param {readonly string[]} args
 */
export async function captureTool(packageName, program, args) {
  const { FORCE_COLOR: _, ...env } = await toolEnvironment({ NO_COLOR: '1' })
  const tools = join(root, 'packages', 'workspace')
  const folder = join(tools, 'node_modules', packageName)
  const { bin } = readJson(join(folder, 'package.json'))
  const file = typeof bin === 'string' ? bin : bin[program]
  return capture(process.execPath, [join(folder, file), ...args], { cwd: tools, env })
}

/**
 * Runs pnpm on this process's own terminal and resolves to its exit code.
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
export async function runPnpm(args, { env, ...options } = {}) {
  return runInForeground(process.execPath, [await pnpmProgram(), ...args], {
    ...options,
    env: await toolEnvironment(env),
  })
}
