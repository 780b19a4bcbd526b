import { Socket } from 'node:net'
import { endGroup } from './kill-group.ts'
import { watchedDescriptor } from './watched-descriptor.ts'

// The program of the thread that waits for the end of the node, whatever the handler beside it does.

const line = new Socket({ fd: watchedDescriptor, readable: true, writable: false })
line.on('error', () => endGroup())
line.on('close', () => endGroup())
line.resume()
