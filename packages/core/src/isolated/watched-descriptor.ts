/** Descriptor of a pipe to the starter that carries no data. The pipe closes when the node or its starter ends. */
export const watchedDescriptor: number = 4
