// npm test [-- NAME…]: installs, builds, finds or installs servers, and runs every check and the tests of every package
// and example. With names: runs only the tests of the packages whose name contains one of them.
import { main } from '../runner/command.mjs'
import { testRun } from '../runner/test-run.mjs'

await main((names) => testRun(names))
