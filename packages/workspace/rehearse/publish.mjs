import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { workspacePackages } from '../runner/packages.mjs'
import { capturePnpm } from '../runner/pnpm.mjs'
import { readJson } from '../runner/repository.mjs'
import { complaint } from '../runner/outcome.mjs'
import { mustCapture } from './registry.mjs'

/**
 * Packs all published packages, and publishes each package once under each of the versions. Only temporary copies of
 * the manifests contain these versions.
 * @param {string} folder
 * @param {string} registry
 * @param {readonly string[]} versions
 */
export async function publishAll(folder, registry, versions) {
  const userConfig = join(folder, 'npmrc')
  writeFileSync(userConfig, `registry=${registry}\n${registry.slice('http:'.length)}:_authToken=rehearsal\n`)
  const env = { ...process.env, npm_config_userconfig: userConfig, npm_config_registry: registry }
  for (const { publishable, folder: source, name } of workspacePackages()) {
    if (!publishable) continue
    const target = join(folder, name.replace(/^.*\//, ''))
    mkdirSync(target)
    const packed = await capturePnpm(['pack', '--pack-destination', target], {
      cwd: source,
      env: { npm_config_ignore_scripts: 'true' },
    })
    const problem = complaint(packed)
    if (problem !== undefined) throw new Error(problem)
    const tarball = /** @type {string} */ (readdirSync(target)[0])
    await mustCapture('tar', ['-xzf', join(target, tarball), '-C', target])
    const manifest = readJson(join(target, 'package', 'package.json'))
    for (const version of versions) {
      writeFileSync(join(target, 'package', 'package.json'), JSON.stringify(asVersion(manifest, version), null, 2))
      const options = ['--ignore-scripts', '--provenance=false', '--access=public', '--tag=latest']
      await mustCapture('npm', ['publish', ...options], { cwd: join(target, 'package'), env })
    }
    rmSync(target, { recursive: true })
  }
}

/**
 * @param {Record<string, any>} manifest
 * @param {string} version
 */
function asVersion(manifest, version) {
  const own = `^${manifest.version}`
  const dependencies = Object.entries(manifest.dependencies ?? {}).map(([name, range]) => [
    name,
    name.startsWith('@jobistemer/') && range === own ? `^${version}` : range,
  ])
  return { ...manifest, version, dependencies: Object.fromEntries(dependencies) }
}
