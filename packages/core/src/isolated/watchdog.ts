import { Socket } from 'node:net'
import { endGroup, watchedDescriptor } from './kill-group.ts'

// This program runs in a separate thread. It waits for the end of the node, even while the handler blocks the main thread.

const line = new Socket({ fd: watchedDescriptor, readable: true, writable: false })
line.on('error', () => endGroup())
line.on('close', () => endGroup())
line.resume()
