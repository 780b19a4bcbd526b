// They read files of their own, or are native: a bundle would not have them.
export default {
  serverExternalPackages: ['@jobistemer/core', '@jobistemer/storage-sqlite', 'better-sqlite3'],
  // The script `typecheck` does that, with the compiler of the workspace.
  typescript: { ignoreBuildErrors: true },
}
