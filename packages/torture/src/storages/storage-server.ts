/** A server, with the network in front of it, that can be broken. */
export interface StorageServer {
  /** Ends all connections; new ones succeed. */
  breakConnections(): void | Promise<void>
  /** Requests reach the server, but answers get lost. */
  loseAnswers(): void
  /** Ends all connections, and refuses new ones. */
  cut(): void
  /** Lets all traffic pass again, through new connections. */
  heal(): void
  /** Sends SIGKILL. If the server has several processes, `choice` in `[0, 1)` selects one. */
  kill(choice: number): Promise<void>
  /** Starts the killed process on the same data. Resolves when it answers. */
  restart(): Promise<void>
  /** Sends SIGKILL after `forMs`, and starts the server on the data of the time of this call. */
  loseWrites?(forMs: number): Promise<void>
}
