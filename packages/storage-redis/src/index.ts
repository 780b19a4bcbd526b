export type { RedisClient, RedisStorageOptions } from './options.ts'
export { redisStorage } from './redis-storage.ts'
