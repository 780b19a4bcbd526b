/** The descriptor of a pipe to the node on which nothing is ever written: it closes when the node is gone. */
export const watchedDescriptor: number = 4
