/** The descriptor of a pipe to the node that carries no data: it closes when the node ends. */
export const watchedDescriptor: number = 4
