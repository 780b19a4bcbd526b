// npm run docs [-- --check | --build]: install, build the documentation site, and serve it on this machine. `--check` checks
// all of its pages instead. `--build` only builds it.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

const scripts = new Map([
  ['', 'docs'],
  ['--build', 'docs:build'],
  ['--check', 'docs:check'],
])

await main((args) => {
  const script = scripts.get(args.join(' '))
  if (script === undefined) throw new Error('Give no option, --check or --build.')
  return runPackageScript({ path: 'packages/site', script, args: [] })
})
