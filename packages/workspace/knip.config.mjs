import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { workspacePackages } from './runner/packages.mjs'

/**
 * The sources behind a package's `exports`: knip would look for the built files.
 * @param {import('./runner/packages.mjs').WorkspacePackage} workspacePackage
 */
function exportedSources({ folder, manifest }) {
  return Object.values(manifest.exports ?? {})
    .map((target) => (typeof target === 'string' ? target : target.default))
    .map((target) => target.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts'))
    .filter((source) => existsSync(join(folder, source)))
}

/** @type {import('knip').KnipConfig} */
export default {
  // A type that an exported signature mentions is exported with it, although nothing else may name it.
  ignoreExportsUsedInFile: { interface: true, type: true },
  workspaces: {
    // Started by name from packages/workspace, where knip does not see it.
    '.': { ignoreDependencies: ['@biomejs/biome', 'turbo'] },
    'packages/workspace': {
      entry: ['commands/*.mjs', 'runner/print-pnpm-location.mjs'],
      project: '**/*.mjs',
      ignoreDependencies: ['@arethetypeswrong/cli', 'publint'],
    },
    ...Object.fromEntries(
      workspacePackages()
        .filter(({ publishable }) => publishable)
        .map((workspacePackage) => [
          workspacePackage.path,
          {
            entry: exportedSources(workspacePackage),
            project: ['src/**/*.ts', 'test/**/*.ts'],
          },
        ]),
    ),
  },
}
