export { type OverridableBuilder, type VirtualTime, withVirtualTime } from './with-virtual-time.ts'
