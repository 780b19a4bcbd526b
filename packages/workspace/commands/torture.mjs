// npm run torture [-- OPTIONS]: installs, builds what the torture test needs, and runs it.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => runPackageScript({ path: 'packages/torture', script: 'torture', args }))
