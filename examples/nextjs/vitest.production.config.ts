import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { include: ['test/**/*.production.ts'], testTimeout: 600_000 } })
