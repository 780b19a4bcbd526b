// npm run simulate [-- OPTIONS]: install, build what the simulator needs, run it.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => runPackageScript({ path: 'packages/simulator', script: 'simulate', args }))
