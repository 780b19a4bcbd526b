// Beside this file, however the package is installed; a bundle does not have them.

/** The program of a thread that runs isolated tasks. */
export const threadProgram: URL = new URL('./thread-child.js', import.meta.url)

/** The program of a process that runs isolated tasks. */
export const processProgram: URL = new URL('./process-child.js', import.meta.url)

/** The program of the process that starts the others. */
export const starterProgram: URL = new URL('./starter.js', import.meta.url)
