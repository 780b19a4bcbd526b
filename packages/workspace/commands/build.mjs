// npm run build [-- NAME…]: installs, and builds every package, or the named packages with all their dependencies.
import { build, install } from '../runner/bootstrap.mjs'
import { main } from '../runner/command.mjs'
import { runSteps } from '../runner/run-steps.mjs'

await main(async (names) => {
  await install()
  const [outcome] = await runSteps([build(names)], { concurrency: 1 })
  return outcome?.failed === 0 ? 0 : 1
})
