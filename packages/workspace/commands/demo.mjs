// npm run demo [-- OPTIONS]: installs, builds what the demo needs, and runs the demo. `--ui` adds the dashboard.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) =>
  runPackageScript({
    path: args.includes('--ui') ? 'examples/busy-night' : 'examples/nightly-backup',
    script: 'demo',
    args,
  }),
)
