// npm run demo [-- OPTIONS]: install, build what the demo needs, run it.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => runPackageScript({ path: 'examples/nightly-backup', script: 'demo', args }))
