// Runs CLI commands one after the other in one process, with the input and output of this process. The only argument is a JSON
// list of command lines. Prints the name before each output, and the exit code after it.
import { processIo } from '../dist/io.js'
import { main } from '../dist/main.js'

for (const argv of JSON.parse(process.argv[2])) {
  console.log(`== ${argv[0]}`)
  console.log(`code ${await main(argv, processIo())}`)
}
// Exits explicitly, as the CLI does.
process.exit()
