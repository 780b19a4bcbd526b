// Serves the built documentation site on this machine until the process is stopped.
import { serveSite } from './src/serve-site.mjs'

console.log(`The documentation is at ${(await serveSite(4173)).origin}/. Stop with Ctrl+C.`)
