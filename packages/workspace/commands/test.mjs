// npm test [-- NAME…]: install, build, find or install servers, run every check and the tests of every package and example.
// With names: only the tests of the packages whose name contains one of them.
import { main } from '../runner/command.mjs'
import { testRun } from '../runner/test-run.mjs'

await main((names) => testRun(names))
