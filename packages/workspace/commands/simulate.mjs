// npm run simulate [-- OPTIONS]: installs, builds what the simulator needs, and runs it.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => runPackageScript({ path: 'packages/simulator', script: 'simulate', args }))
