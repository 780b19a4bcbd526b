export { type MemoryDatabase, type MemoryStorageOptions, memoryDatabase, memoryStorage } from './memory-storage.ts'
