import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { cacheFolder, readJson, root } from '../runner/repository.mjs'
import { mustCapture } from './registry.mjs'

/** @import { NodeRelease } from './managers.mjs' */

const folder = join(cacheFolder, 'prebuilds')

/**
 * Returns an environment in which the install script of better-sqlite3 finds a compiled addon. The addon comes from an
 * earlier install, because a compilation takes minutes.
 * @param {NodeRelease} node
 * @returns {Promise<NodeRelease>}
 */
export async function withPrebuilt({ program, env }) {
  await keepAddon(join(root, 'packages/storage-sqlite'), process.execPath)
  const abi = await abiOf(program)
  const isThere = readdirSync(folder).some((name) => name.includes(`-node-v${abi}-`))
  const { npm_config_build_from_source: fromSource, ...others } = env
  const prebuilt = { npm_config_better_sqlite3_local_prebuilds: folder }
  return {
    program,
    env: { ...others, ...prebuilt, ...(!isThere && fromSource && { npm_config_build_from_source: fromSource }) },
  }
}

/**
 * Keeps a compiled addon for further installs.
 * @param {string} storage the folder of the storage that loads it
 * @param {string} program the Node for which it was compiled
 */
export async function keepAddon(storage, program) {
  const storageManifest = join(realpathSync(storage), 'package.json')
  const source = dirname(createRequire(storageManifest).resolve('better-sqlite3/package.json'))
  const addon = join('build', 'Release', 'better_sqlite3.node')
  const { version } = readJson(join(source, 'package.json'))
  const name = `better-sqlite3-v${version}-node-v${await abiOf(program)}-${process.platform}-${process.arch}.tar.gz`
  mkdirSync(folder, { recursive: true })
  if (existsSync(join(folder, name)) || !existsSync(join(source, addon))) return
  await mustCapture('tar', ['-czf', join(folder, `${name}.new`), '-C', source, addon])
  renameSync(join(folder, `${name}.new`), join(folder, name))
}

/** @param {string} program */
async function abiOf(program) {
  return (await mustCapture(program, ['-p', 'process.versions.modules'])).trim()
}
