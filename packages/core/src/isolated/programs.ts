// The programs of the children and of the starter. In every installation of this package, they lie beside this file. If an
// application is bundled, they are missing beside the bundle.

/** The program of a thread that runs isolated tasks. */
export const threadProgram = (): URL => new URL('./thread-child.js', import.meta.url)

/** The program of a process that runs isolated tasks. */
export const processProgram = (): URL => new URL('./process-child.js', import.meta.url)

/** The program of the starter, which starts processes for a node. */
export const starterProgram = (): URL => new URL('./starter.js', import.meta.url)
