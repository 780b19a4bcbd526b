/** The server of a storage, and the network in front of it, into which the driver injects faults. */
export interface StorageServer {
  /** Breaks all connections once; new connections succeed. */
  breakConnections(): void | Promise<void>
  /** From now on, no answer of the server reaches a client. Requests still reach the server. */
  loseAnswers(): void
  /** Breaks all connections, and refuses new connections from now on. */
  cut(): void
  /** Ends the network faults. Traffic passes again, through new connections. */
  heal(): void
  /** Kills the server with SIGKILL. If the server has several processes, `choice` in `[0, 1)` selects one. */
  kill(choice: number): Promise<void>
  /** Starts the killed process on the same data. Resolves when the process answers. */
  restart(): Promise<void>
  /** Kills the server with SIGKILL after `forMs`, and starts the server with the data that it had at the time of this call. */
  loseWrites?(forMs: number): Promise<void>
}
