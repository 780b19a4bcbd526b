// These packages read their own files or are native, so they must stay out of the bundle.
export default {
  serverExternalPackages: ['@jobistemer/core', '@jobistemer/storage-sqlite', 'better-sqlite3'],
  // `next build` skips the type check, because the script `typecheck` checks the types.
  typescript: { ignoreBuildErrors: true },
}
