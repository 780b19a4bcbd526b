// npm run docs [-- --check | --build]: installs, builds the documentation site, and serves it on this machine.
// `--check` checks all pages of the site instead. `--build` only builds the site.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

const scripts = new Map([
  ['', 'docs'],
  ['--build', 'docs:build'],
  ['--check', 'docs:check'],
])

await main((args) => {
  const script = scripts.get(args.join(' '))
  if (script === undefined) throw new Error('npm run docs takes no option, or one of --check and --build')
  return runPackageScript({ path: 'packages/site', script, args: [] })
})
