// npm run test:extra [-- NAME…]: runs `npm test` with more effort, and then long runs of the simulator and of the
// torture test. With names: runs only the tests of the packages whose name contains one of them, with more effort.
import { main } from '../runner/command.mjs'
import { longRunSteps } from '../runner/long-runs.mjs'
import { testRun } from '../runner/test-run.mjs'

process.env.JOBISTEMER_TEST_EFFORT ??= '4'

await main((names) => testRun(names, names.length === 0 ? longRunSteps() : []))
