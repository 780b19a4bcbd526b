// npm run demo [-- OPTIONS]: install, build what the demo needs, run it. `--ui` runs the demo with the dashboard.
import { main } from '../runner/command.mjs'
import { runPackageScript } from '../runner/package-script.mjs'

await main((args) =>
  runPackageScript({
    path: args.includes('--ui') ? 'examples/busy-night' : 'examples/nightly-backup',
    script: 'demo',
    args,
  }),
)
