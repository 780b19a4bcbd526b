import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { workspacePackages } from '../runner/packages.mjs'
import { readJson, root } from '../runner/repository.mjs'

const all = workspacePackages()
const publishable = all.filter((workspacePackage) => workspacePackage.publishable)
const engines = readJson(join(root, 'package.json')).engines
const repository = 'https://github.com/jobistemer/jobistemer'

it('the workspace has packages to publish', () => {
  expect(publishable.map(({ name }) => name)).toContain('@jobistemer/core')
})

describe.each(all)('the manifest of the package $name', ({ manifest }) => {
  it('declares an ES module package under the MIT license, for the repository’s Node.js versions', () => {
    expect(manifest).toMatchObject({ type: 'module', license: 'MIT', engines })
  })

  it('refers to other packages of this workspace by `workspace:`', () => {
    for (const field of ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies']) {
      for (const [dependency, range] of Object.entries(manifest[field] ?? {})) {
        if (all.some((other) => other.name === dependency)) expect(range, dependency).toMatch(/^workspace:/)
      }
    }
  })
})

describe.each(publishable)('the manifest of the published package $name', ({ name, manifest, folder, path }) => {
  it('has scripts for tests and for a type check', () => {
    expect(manifest.scripts).toMatchObject({ test: expect.any(String), typecheck: expect.any(String) })
  })

  it('states the repository and the address for problem reports', () => {
    expect(manifest).toMatchObject({
      author: 'The Jobistemer contributors',
      homepage: `${repository}/tree/main/${path}#readme`,
      bugs: { url: `${repository}/issues` },
      repository: { type: 'git', url: `git+${repository}.git`, directory: path },
    })
  })

  it('has a copy of the repository’s license beside it, because `npm pack` takes the license from there', () => {
    expect(readFileSync(join(folder, 'LICENSE'), 'utf8')).toBe(readFileSync(join(root, 'LICENSE'), 'utf8'))
  })

  it('lists at least four different keywords', () => {
    expect(manifest.keywords).toContain('jobistemer')
    expect(manifest.keywords.length).toBeGreaterThan(3)
    expect(new Set(manifest.keywords).size).toBe(manifest.keywords.length)
  })

  it('publishes publicly, with a provenance statement', () => {
    expect(manifest.publishConfig).toEqual({ access: 'public', provenance: true })
  })

  it('builds the package before it is packed', () => {
    expect(manifest.scripts).toMatchObject({ build: expect.any(String), prepack: 'pnpm run build' })
  })

  it('accepts any 0.x version of its peer packages, because all packages of the workspace share one version', () => {
    for (const [peer, range] of Object.entries(manifest.peerDependencies ?? {})) {
      if (all.some((other) => other.name === peer)) expect(range, peer).toBe('workspace:0.x')
    }
  })

  it('has the name of its folder, and a description', () => {
    expect(name).toBe(path.replace(/^packages\//, '@jobistemer/'))
    expect(manifest.description).toMatch(/^[A-Z].{20,}\.$/)
  })

  it('declares that the package has no side effects, so that bundlers can drop unused exports', () => {
    expect(manifest.sideEffects).toBe(false)
  })

  it('exports only built modules with their types', () => {
    expect(Object.keys(manifest.exports)).toContain('.')
    for (const [entry, target] of Object.entries(manifest.exports)) {
      expect(entry).toMatch(/^\.(\/[a-z0-9-]+)*$/)
      expect(target).toEqual({
        types: expect.stringMatching(/^\.\/dist\/[a-z0-9/-]+\.d\.ts$/),
        default: expect.stringMatching(/^\.\/dist\/[a-z0-9/-]+\.js$/),
      })
      expect(existsSync(join(folder, target.default.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts'))), entry).toBe(true)
    }
    for (const open of ['module', 'browser']) expect(manifest).not.toHaveProperty(open)
  })

  it('also declares types by `types` and `typesVersions`, for compilers that ignore `exports`', () => {
    const { '.': main, ...others } = manifest.exports
    expect([manifest.main, manifest.types]).toEqual([main.default, main.types])
    const paths = Object.entries(others).map(([entry, { types }]) => [entry.slice(2), [types]])
    expect(manifest.typesVersions ?? {}).toEqual(paths.length === 0 ? {} : { '*': Object.fromEntries(paths) })
  })

  it('includes the build and the documents in the package, but no sources and tests', () => {
    expect(manifest.files).toEqual(expect.arrayContaining(['dist', 'README.md']))
    expect(manifest.files.filter((/** @type {string} */ entry) => /^(src|test|node_modules|\.)/.test(entry))).toEqual(
      [],
    )
  })

  it('has a README beside it, which begins with the name of the package', () => {
    const readme = join(folder, 'README.md')
    expect(existsSync(readme), `${path}/README.md`).toBe(true)
    expect(readFileSync(readme, 'utf8').split('\n')[0]).toBe(`# ${name}`)
  })
})

it('all published packages have the same version', () => {
  expect(new Set(publishable.map(({ manifest }) => manifest.version)).size).toBe(1)
})
