// Runs CLI commands one after the other in one process, with an error output that is a terminal. Sends SIGINT to this process
// when a command first shows its progress. The only argument is a JSON list of command lines. Prints a JSON list of the exit codes
// and error outputs.
import { processIo } from '../dist/io.js'
import { main } from '../dist/main.js'

const ended = []
for (const argv of JSON.parse(process.argv[2])) {
  let err = ''
  const write = (text) => {
    if (err === '') process.kill(process.pid, 'SIGINT')
    err += text
  }
  const code = await main(argv, { ...processIo(), stderr: { isTTY: true, columns: 80, write } })
  ended.push({ code, err })
}
// The standard output has the results of the commands, so this list goes to the standard error.
process.stderr.write(JSON.stringify(ended), () => process.exit())
