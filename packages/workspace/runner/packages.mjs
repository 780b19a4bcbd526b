import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readJson, root } from './repository.mjs'

/**
 * A package of the workspace.
 * @typedef {object} WorkspacePackage
 * @property {string} name
 * @property {string} folder absolute
 * @property {string} path relative to the top folder, with forward slashes
 * @property {boolean} publishable false when `private` is set
 * @property {Record<string, any>} manifest its package.json
 */

/**
 * Returns every package of the workspace, in a stable order.
 * @param {string} [top]
 * @returns {WorkspacePackage[]}
 */
export function workspacePackages(top = root) {
  return workspaceFolders(top)
    .flatMap((parent) =>
      readdirSync(join(top, parent), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `${parent}/${entry.name}`),
    )
    .filter((path) => existsSync(join(top, path, 'package.json')))
    .sort()
    .map((path) => {
      const folder = join(top, path)
      const manifest = readJson(join(folder, 'package.json'))
      return { name: manifest.name, folder, path, publishable: manifest.private !== true, manifest }
    })
}

/**
 * Returns the parent folders in pnpm-workspace.yaml. Supports only entries of the form `folder/*`, because no YAML
 * parser exists before the install.
 * @param {string} top
 */
function workspaceFolders(top) {
  const entries = [
    ...readFileSync(join(top, 'pnpm-workspace.yaml'), 'utf8').matchAll(/^\s+-\s+['"]?([\w-]+)\/\*['"]?\s*$/gm),
  ]
  return entries.map((entry) => /** @type {string} */ (entry[1])).filter((parent) => existsSync(join(top, parent)))
}

/**
 * Returns the names of the workspace packages in all dependency fields of a manifest.
 * @param {Record<string, any>} manifest
 * @returns {string[]}
 */
export function workspaceDependencies(manifest) {
  const fields = ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies']
  const names = fields.flatMap((field) =>
    Object.entries(manifest[field] ?? {})
      .filter(([, range]) => String(range).startsWith('workspace:'))
      .map(([name]) => name),
  )
  return [...new Set(names)].sort()
}
