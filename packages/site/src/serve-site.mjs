import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import sirv from 'sirv'

/**
 * Serves the built site on the loopback interface.
 * @param {number} [port] 0 for any free port
 */
export async function serveSite(port = 0) {
  const answer = sirv(fileURLToPath(new URL('../dist', import.meta.url)))
  const server = createServer((request, response) =>
    answer(request, response, () => void response.writeHead(404).end('There is no such page.')),
  )
  await once(server.listen(port, '127.0.0.1'), 'listening')
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  return { origin: `http://127.0.0.1:${address.port}`, close: () => server.close() }
}
