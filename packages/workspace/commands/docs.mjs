// npm run docs: install, build the documentation site, serve it on this machine. `--check` checks all of its pages instead.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => {
  const script = args.includes('--check') ? 'docs:check' : 'docs'
  return runPackageScript({ path: 'packages/site', script, args: args.filter((argument) => argument !== '--check') })
})
