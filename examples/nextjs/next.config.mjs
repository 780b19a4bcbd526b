// The packages in `serverExternalPackages` are native or read files of their own. So Next.js must not bundle them.
export default {
  serverExternalPackages: ['@jobistemer/core', '@jobistemer/storage-sqlite', 'better-sqlite3'],
  // `next build` skips the type check, because the script `typecheck` checks the types.
  typescript: { ignoreBuildErrors: true },
}
