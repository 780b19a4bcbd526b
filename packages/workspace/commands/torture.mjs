// npm run torture [-- OPTIONS]: install, build what the torture needs, run it.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) => runPackageScript({ path: 'packages/torture', script: 'torture', args }))
