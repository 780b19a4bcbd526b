import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { workspacePackages } from './runner/packages.mjs'

/**
 * The sources behind the built files that a package's `exports` and scripts name: knip would look for the built ones.
 * @param {import('./runner/packages.mjs').WorkspacePackage} workspacePackage
 */
function sourcesOfBuiltFiles({ folder, manifest }) {
  const named = JSON.stringify([manifest.exports ?? {}, manifest.scripts ?? {}])
  const sources = [...named.matchAll(/\bdist\/([\w/-]+)\.js\b/g)].map(([, path]) => `src/${path}.ts`)
  return [...new Set(sources)].filter((source) => existsSync(join(folder, source)))
}

/** @type {import('knip').KnipConfig} */
export default {
  // A type that an exported signature mentions is exported with it, although nothing else may name it.
  ignoreExportsUsedInFile: { interface: true, type: true },
  workspaces: {
    // Started by name from packages/workspace, where knip does not see it.
    '.': { ignoreDependencies: ['@biomejs/biome', 'turbo'] },
    ...Object.fromEntries(
      workspacePackages().map((workspacePackage) => [
        workspacePackage.path,
        { entry: sourcesOfBuiltFiles(workspacePackage), project: ['{src,test}/**/*.{ts,js,mjs}'] },
      ]),
    ),
    'packages/workspace': {
      entry: ['commands/*.mjs', 'runner/print-pnpm-location.mjs'],
      project: '**/*.mjs',
      ignoreDependencies: ['@arethetypeswrong/cli', 'publint'],
    },
  },
}
