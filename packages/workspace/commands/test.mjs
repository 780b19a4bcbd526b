// npm test [-- NAME…]: installs the dependencies, builds the packages, and finds or installs the servers that the tests need.
// Then runs every check and all tests. With names: runs only the tests of packages and examples whose name contains one of
// the names.
import { main } from '../runner/command.mjs'
import { testRun } from '../runner/test-run.mjs'

await main((names) => testRun(names))
